"""Two processes (gloo) against one, and decisions that they take together (S51, S52, S54, S55)."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
from children import SlowModel, pair, quiet_console, train_slowly, wait_for_step
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter.config import InputError
from vit_adapter.training import processes, run_training
from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.engine import make_trainer, quiet_lightning
from vit_adapter.training.metrics_table import read_table
from vit_adapter.training.module import TrainingModule
from vit_adapter.training.run import set_loss


class SteadyModel(TinyModel):
    """Batch norm stays in evaluation mode, no dropout: what a process computes does not depend on its batch."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)

    def train(self, mode: bool = True) -> "SteadyModel":
        super().train(mode)
        self.norm.eval()
        return self


def run_together(function: Any, arguments: dict[str, Any], folder: Path, seconds: float = 60) -> list[int]:
    children = pair(function, arguments, folder)
    codes = [child.wait(seconds) for child in children]
    if codes[0] not in (0, 2):
        raise AssertionError(children[0].text + children[1].text)
    return codes


def train_steadily(out: str, **settings: Any) -> None:
    torch.manual_seed(0)
    void = settings.pop("void", False)
    model = SteadyModel()
    source = TinyTrainingSet(TinyData(10, void))
    run_training(model, source, TinyData(5), tiny_config(Path(out), **settings), console=quiet_console())
    Path(f"{out} seen {own_rank()}.json").write_text(json.dumps(model.seen))


def own_rank() -> str:
    return os.environ.get("RANK", "alone")


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 6},
        {"steps": 5, "accumulate": 2, "average_over": "valid", "void": True, "clip_gradient_norm": 0.5},
    ],
    ids=["all pixels", "valid pixels, accumulated"],
)
def test_two_processes_equal_one_with_the_joint_batch(tmp_path, settings):
    shared = {**settings, "class_weights": "auto"}
    codes = run_together(train_steadily, {"out": str(tmp_path / "two"), **shared, "batch_size": 2}, tmp_path)
    assert codes == [0, 0]
    train_steadily(str(tmp_path / "one"), **shared, batch_size=4)
    two, one = (read_checkpoint(tmp_path / run / "last.ckpt") for run in ("two", "one"))
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=1e-5, atol=1e-6, msg=name)
    for name, state in one["optimizer"].items():  # first moments are sums of gradients
        torch.testing.assert_close(two["optimizer"][name]["exp_avg"], state["exp_avg"], rtol=1e-4, atol=1e-7)
    tables = [read_table(tmp_path / run / "metrics.csv")[1] for run in ("two", "one")]
    for ours, theirs in zip(*tables, strict=True):
        for column in ("step", "loss", "loss_ce", "gradient_norm", "mIoU", "aAcc"):
            assert bool(ours[column]) == bool(theirs[column]), column
            if theirs[column]:
                assert float(ours[column]) == pytest.approx(float(theirs[column]), rel=1e-5), column
    # The draws of augmentation are those of one process (S54).
    seen = [
        json.loads((tmp_path / f"{name}.json").read_text())
        for name in ("two seen 0", "two seen 1", "one seen alone")
    ]
    joint = [[*first, *second] for first, second in zip(seen[0], seen[1], strict=True)]
    assert joint == seen[2]


def accumulated(folder: Path, model: torch.nn.Module, batch: int, accumulate: int, average: str) -> Any:
    config = tiny_config(folder, steps=3, batch_size=batch, accumulate=accumulate, average_over=average)
    run_training(model, TinyTrainingSet(TinyData(10, void=True)), None, config, console=quiet_console())
    return read_checkpoint(folder / "last.ckpt")


@pytest.mark.parametrize("average", ["all", "valid"])
def test_accumulation_equals_the_large_batch(tmp_path, average):  # S41
    ends = []
    for name, batch, accumulate in (("large", 4, 1), ("small", 1, 4)):
        torch.manual_seed(0)
        ends.append(accumulated(tmp_path / name, SteadyModel(), batch, accumulate, average))
    for name, state in ends[0]["optimizer"].items():
        torch.testing.assert_close(
            ends[1]["optimizer"][name]["exp_avg"], state["exp_avg"], rtol=1e-5, atol=1e-7
        )
    tables = [read_table(tmp_path / run / "metrics.csv")[1] for run in ("large", "small")]
    for large, small in zip(*tables, strict=True):
        assert float(small["loss"]) == pytest.approx(float(large["loss"]), rel=1e-5)


class FixedScores(torch.nn.Module):
    """Logits of class 0 are 2 everywhere, plus a bias that is learnt."""

    num_classes, ignore_index, class_names = 2, 255, ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(2))
        self.pixel_loss: Any = None

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = torch.tensor([2.0, 0.0]) + self.bias
        return {
            "loss": self.pixel_loss(scores[None, :, None, None].expand(len(labels), 2, 2, 2), labels)[
                "loss_ce"
            ]
        }


@pytest.mark.parametrize(("average", "expected"), [("valid", 0.5269), ("all", 0.5269 * 5 / 8)])
def test_unequal_numbers_of_valid_pixels(average, expected):  # the hand numbers of S41
    labels = torch.full((2, 2, 2), 255)
    labels[0, 0, 0], labels[1] = 1, 0
    config = tiny_config(None, steps=1, average_over=average, warmup_steps=0)
    figures = []
    for batch in ([labels], [labels[:1], labels[1:]]):
        model = FixedScores()
        set_loss(model, config, None)
        module = TrainingModule(model, config.training, lambda name: name, 0, average == "valid")
        step = [{"image": part.float(), "labels": part, "names": ["x"], "replaced": {}} for part in batch]
        loader = torch.utils.data.DataLoader([step], batch_size=None, collate_fn=None)  # pyright: ignore
        with quiet_lightning():
            make_trainer(config.training, 1, [lightning.Callback()]).fit(module, loader)
        figures.append(module.figures)
    assert figures[0]["loss"] == pytest.approx(expected, abs=1e-4)
    assert figures[1]["loss"] == pytest.approx(expected, abs=1e-4)
    assert figures[1]["gradient_norm"] == pytest.approx(figures[0]["gradient_norm"], rel=1e-5)


class VoidOnOne(TinyData):
    """Every other picture has no valid pixel at all."""

    def read(self, index: int) -> Any:
        sample = super().read(index)
        if index % 2:
            sample.labels[:] = 255
        return sample


def train_with_void_pictures(out: str, frozen: bool) -> None:
    torch.manual_seed(0)
    model = SteadyModel()
    model.backbone.requires_grad_(not frozen)
    source = TinyTrainingSet(VoidOnOne(10))
    config = tiny_config(Path(out), steps=3, batch_size=1, average_over="valid")
    run_training(model, source, None, config, console=quiet_console())
    torch.save(model.state_dict(), f"{out} weights {own_rank()}.pt")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_process_without_anything_to_learn_from(tmp_path, frozen):  # S51
    assert run_together(
        train_with_void_pictures, {"out": str(tmp_path / "run"), "frozen": frozen}, tmp_path
    ) == [0, 0]
    first, second = (torch.load(tmp_path / f"run weights {rank}.pt") for rank in (0, 1))
    parameters = {name for name, _ in SteadyModel().named_parameters()}
    assert all(torch.equal(first[name], second[name]) for name in parameters)
    assert torch.equal(first["unused"], torch.ones(2)), "a parameter without gradient is left alone"
    assert all(value.isfinite().all() for value in first.values())


class HalfKnown(TinyData):
    """Validation pictures of which the second half (odd numbers: those of process 1) cannot be right."""

    def read(self, index: int) -> Any:
        sample = super().read(index)
        if index % 2:
            sample.labels[:] = (sample.labels + 1) % 3
        return sample


def train_with_half_known(out: str) -> None:
    torch.manual_seed(0)
    config = tiny_config(Path(out), steps=40, validate_every=4, early_stopping=1, learning_rate=3e-2)
    result = run_training(SlowModel(), TinyTrainingSet(TinyData(10)), HalfKnown(4), config)
    assert result is not None
    Path(f"{out} result {own_rank()}.json").write_text(
        json.dumps([result.steps, result.best_mIoU, result.scores])
    )


def test_both_stop_at_the_joint_score(tmp_path):  # S52
    children = pair(train_with_half_known, {"out": str(tmp_path / "run")}, tmp_path)
    assert [child.wait() for child in children] == [0, 0], children[0].text + children[1].text
    first, second = (json.loads((tmp_path / f"run result {rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first[0] < 40
    _, rows = read_table(tmp_path / "run" / "metrics.csv")
    scores = [float(row["mIoU"]) for row in rows if row["mIoU"]]
    assert first[1] == max(scores)
    assert max(scores) < 0.7, "process 0 alone would reach 1"
    assert "stopped early" in children[0].text
    assert children[1].text == "", "every line comes once"


def train_until_trouble(out: str, trouble: str) -> None:
    class Troubled(SlowModel):
        def loss(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            losses = super().loss(images, labels)
            if trouble == "loss" and processes.rank() == 1 and int(self.passes) == 4:
                losses["loss"] = losses["loss"] * float("nan")
            return losses

    class Bad(TinyTrainingSet):
        def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
            if trouble == "file" and processes.rank() == 1 and key[0] == 1:
                raise InputError("masks/7.png: value 77, expected 0..2")
            return super().__getitem__(key)

    torch.manual_seed(0)
    config = tiny_config(Path(out), steps=20, checkpoint_every=2)
    run_training(Troubled(), Bad(TinyData(10)), None, config)


@pytest.mark.parametrize(
    ("trouble", "message"), [("loss", "not finite; pictures"), ("file", "masks/7.png: value 77")]
)
def test_trouble_of_one_process_ends_both_with_one_line(tmp_path, trouble, message):  # S52
    children = pair(train_until_trouble, {"out": str(tmp_path / "run"), "trouble": trouble}, tmp_path)
    began = time.monotonic()
    assert [child.wait(60) for child in children] == [2, 2], children[0].text + children[1].text
    assert time.monotonic() - began < 60
    assert children[0].text.count(message) == 1, children[0].text
    assert children[1].text == ""
    assert "Traceback" not in children[0].text
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] % 2 == 0


def train_and_log_draws(out: str) -> None:
    class Logging(TinyModel):
        masks: list[list[float]] = []  # noqa: RUF012 (one model a process)

        def loss(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            if processes.world_size() == 2:
                if not self.masks:
                    self.masks.append([float(self.head.weight.detach().sum())])
                self.masks.append(torch.rand(3).tolist())
            return super().loss(images, labels)

    torch.manual_seed(int(own_rank()))  # even where processes begin differently ...
    model = Logging()
    run_training(
        model, TinyTrainingSet(TinyData(8)), None, tiny_config(Path(out), steps=3), console=quiet_console()
    )
    Path(f"{out} draws {own_rank()}.json").write_text(json.dumps(model.masks))


def test_draws_differ_and_initial_weights_do_not(tmp_path):  # S54
    assert run_together(train_and_log_draws, {"out": str(tmp_path / "run")}, tmp_path) == [0, 0]
    first, second = (json.loads((tmp_path / f"run draws {rank}.json").read_text()) for rank in (0, 1))
    assert first[0] == second[0]  # ... they train the same weights
    assert len(first) == 4
    draws = [tuple(draw) for draw in first[1:] + second[1:]]
    assert len(set(draws)) == len(draws)


def train_in_a_new_folder(folder: str) -> None:
    os.chdir(folder)
    if own_rank() == "1":
        time.sleep(2)
    train_slowly(None, steps=2, validation=2, validate_every=1)


def test_one_run_has_one_folder(tmp_path):  # S55
    children = pair(train_in_a_new_folder, {"folder": str(tmp_path)}, tmp_path)
    assert [child.wait() for child in children] == [0, 0], children[0].text + children[1].text
    (folder,) = (tmp_path / "runs").iterdir()
    assert {"config.yaml", "last.ckpt", "metrics.csv", "best"} <= {path.name for path in folder.iterdir()}
    assert [row["step"] for row in read_table(folder / "metrics.csv")[1]] == ["1", "2"]
    assert children[0].text.count("step 2/2") == 1
    assert "4 = 2 cpu x 2 x 1 accumulated" in children[0].text
    assert children[1].text == ""


def test_two_processes_resume_exactly(tmp_path):
    arguments = {"pictures": 7, "steps": 24, "ema_decay": 0.5, "validate_every": 5, "checkpoint_every": 3}
    assert run_together(train_slowly, {"out": str(tmp_path / "whole"), **arguments}, tmp_path / "a") == [0, 0]
    children = pair(train_slowly, {"out": str(tmp_path / "run"), **arguments}, tmp_path / "b")
    wait_for_step(tmp_path / "run", 7)
    for child in reversed(children):
        child.kill()
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] < 24
    again = {"out": str(tmp_path / "run"), **arguments, "resume": True}
    assert run_together(train_slowly, again, tmp_path / "c") == [0, 0]
    whole, resumed = (read_checkpoint(tmp_path / run / "last.ckpt") for run in ("whole", "run"))
    for part in (lambda content: content["model"], lambda content: content["average"]["weights"]):
        assert all(torch.equal(value, part(resumed)[name]) for name, value in part(whole).items())
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (
        tmp_path / "whole" / "metrics.csv"
    ).read_bytes()


def test_a_polite_signal_to_one_process_stops_both(tmp_path):
    children = pair(
        train_slowly, {"out": str(tmp_path / "run"), "steps": 100, "checkpoint_every": 1000}, tmp_path
    )
    wait_for_step(tmp_path / "run", 3)
    children[0].signal(signal.SIGTERM)
    codes = [child.wait() for child in children]
    assert codes == [128 + signal.SIGTERM, 0], children[0].text + children[1].text
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] >= 3
    assert children[1].text == ""
