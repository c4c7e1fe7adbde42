"""Two processes (gloo) against one, and decisions that they take together (S51, S52, S54, S55)."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from children import pair, quiet_console, train_slowly, wait_for_step
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.metrics_table import read_table


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_two_processes_measure_sample_and_all_images_together(tmp_path):
    settings = {"steps": 4, "validate_every": 2, "validation_sample": 3}
    codes = run_together(
        train_steadily, {"out": str(tmp_path / "two"), **settings, "batch_size": 2}, tmp_path
    )
    assert codes == [0, 0]
    train_steadily(str(tmp_path / "one"), **settings, batch_size=4)
    two, one = (json.loads((tmp_path / run / "best" / "score.json").read_text()) for run in ("two", "one"))
    assert two.keys() == one.keys() == {"step", "mIoU", "sample_mIoU"}
    assert two["step"] == one["step"]
    assert two["mIoU"] == pytest.approx(one["mIoU"], rel=1e-5)
    assert two["sample_mIoU"] == pytest.approx(one["sample_mIoU"], rel=1e-5)


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


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path):
    arguments = {"photos": 7, "steps": 24, "ema_decay": 0.5, "validate_every": 5, "checkpoint_every": 3}
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
