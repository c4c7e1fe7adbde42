"""Whole runs of a tiny model in this process."""

import io
import json
import re
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from tiny import changed
from vit_adapter.config import ClassTable, InputError
from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.joint_evaluation import JointEvaluation
from vit_adapter.training.metrics_table import read_table


class Interruption(Exception):
    """Stands for a kill."""


class BreakingModel(TinyModel):
    """Breaks off in a forward pass of a given number."""

    breaks_at = 0

    def loss(self, images, labels, divisor=None):
        if int(self.passes) + 1 == self.breaks_at:
            raise Interruption
        return super().loss(images, labels, divisor)


def train(out, model=None, photos=10, validation=None, output=None, seed=0, **settings):
    torch.manual_seed(0)
    model = model or TinyModel()
    console = Console(file=output or io.StringIO(), width=200)
    source = TinyTrainingSet(TinyData(photos, void=settings.pop("void", False)), settings.get("seed", 0))
    validation_set = None if validation is None else TinyData(validation)
    result = run_training(model, source, validation_set, tiny_config(out, **settings), console=console)
    return model, result


def break_and_resume(out, breaks_at, **settings):
    torch.manual_seed(0)
    model = BreakingModel()
    model.breaks_at = breaks_at
    with pytest.raises(Interruption):
        train(out, model, **settings)
    torch.manual_seed(5)  # whatever the new process begins with
    resumed, result = train(out, TinyModel(), resume=True, **settings)
    return model, resumed, result


def assert_equal_states(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.slow
def test_training_learns_and_leaves_a_model(tmp_path):
    _, result = train(tmp_path / "run", validation=4, steps=60, learning_rate=3e-2)
    assert result.best_mIoU > 0.8
    score = json.loads((result.model_folder / "score.json").read_text())
    assert score == {"step": result.best_step, "mIoU": result.best_mIoU}
    names = {path.name for path in result.folder.iterdir()}
    assert {"best", "last.ckpt", "metrics.csv", "curves.png", "tensorboard", "config.yaml"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_without_validation_the_last_model_is_kept(tmp_path):
    model, result = train(tmp_path / "run", steps=3)
    assert result.model_folder == tmp_path / "run" / "last"
    assert_equal_states(load_file(result.model_folder / "model.safetensors"), model.state_dict())
    assert result.best_mIoU is None


def test_fewer_images_than_a_batch(tmp_path):  # S27
    before = TinyModel().state_dict()
    model, result = train(tmp_path / "run", photos=4, batch_size=8, steps=5)
    assert result.steps == 5
    assert [len(batch) for batch in model.seen] == [8] * 5
    assert not torch.equal(model.state_dict()["head.weight"], before["head.weight"])


def test_no_batch_is_incomplete(tmp_path):  # S28
    model, _ = train(tmp_path / "run", photos=9, batch_size=8, steps=4)
    assert [len(batch) for batch in model.seen] == [8] * 4


@pytest.mark.slow
def test_validation_interval_longer_than_the_data(tmp_path):  # S30
    train(tmp_path / "run", photos=10, batch_size=1, steps=40, validate_every=16, validation=2)
    _, rows = read_table(tmp_path / "run" / "metrics.csv")
    assert [row["step"] for row in rows if row["mIoU"]] == ["16", "32", "40"]
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 41)]


@pytest.mark.parametrize("workers", [1, 4])
def test_number_of_workers_changes_nothing(tmp_path, workers):  # S44
    alone, _ = train(tmp_path / "a", photos=5, steps=6)
    helped, _ = train(tmp_path / "b", photos=5, steps=6, workers=workers)
    assert alone.seen == helped.seen
    assert len({value for batch in alone.seen for value in batch}) == 12
    assert_equal_states(alone.state_dict(), helped.state_dict())


@pytest.mark.parametrize(
    ("breaks_at", "settings"),
    [
        (8, {"batch_size": 1, "checkpoint_every": 5, "ema_decay": 0.9, "clip_gradient_norm": 0.5}),
        (12, {"accumulate": 2, "checkpoint_every": 5, "average_over": "valid", "void": True}),
    ],
)
@pytest.mark.slow
def test_resuming_continues_exactly(tmp_path, breaks_at, settings):  # S45
    whole, first = train(tmp_path / "whole", validation=3, validate_every=4, **settings)
    broken, resumed, second = break_and_resume(
        tmp_path / "broken", breaks_at, validation=3, validate_every=4, **settings
    )
    assert_equal_states(whole.state_dict(), resumed.state_dict())
    done = 5 * settings.get("accumulate", 1)
    assert broken.seen[:done] + resumed.seen == whole.seen
    assert (first.best_mIoU, first.best_step) == (second.best_mIoU, second.best_step)
    tables = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "broken")]
    assert tables[0] == tables[1]
    checkpoints = [read_checkpoint(tmp_path / run / "last.ckpt") for run in ("whole", "broken")]
    assert_equal_states(checkpoints[0]["model"], checkpoints[1]["model"])
    for name, state in checkpoints[0]["optimizer"].items():
        assert_equal_states(state, checkpoints[1]["optimizer"][name])


def script_scores(monkeypatch, score):
    """Validation gives ``score(forward passes so far)``."""

    class Scripted(JointEvaluation):
        def __call__(self, model):
            return dict.fromkeys(("mIoU", "mAcc", "aAcc"), score(int(model.passes)))

    monkeypatch.setattr("vit_adapter.training.loop.JointEvaluation", Scripted)


@pytest.mark.slow
def test_best_score_and_patience_survive_a_restart(tmp_path, monkeypatch):  # S46
    script_scores(monkeypatch, lambda step: 1 - abs(step - 20) / 100)
    settings = {"validation": 2, "steps": 60, "validate_every": 5, "early_stopping": 3, "checkpoint_every": 5}
    whole, first = train(tmp_path / "whole", **settings)
    _, resumed, second = break_and_resume(tmp_path / "broken", 27, **settings)
    assert (first.steps, first.best_step) == (35, 20)
    assert (second.steps, second.best_step, second.best_mIoU) == (35, 20, 1.0)
    assert_equal_states(whole.state_dict(), resumed.state_dict())
    files = [tmp_path / run / "best" / "model.safetensors" for run in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert int(load_file(files[1])["passes"]) == 20
    assert json.loads((tmp_path / "broken" / "best" / "score.json").read_text()) == {"step": 20, "mIoU": 1.0}


@pytest.mark.slow
def test_a_score_that_is_no_number_is_never_better(tmp_path, monkeypatch):
    script_scores(monkeypatch, lambda step: {4: 0.5, 8: float("nan")}.get(step, 0.25))
    _, result = train(tmp_path / "run", validation=2, steps=12, validate_every=4)
    assert (result.best_step, result.best_mIoU) == (4, 0.5)


def test_a_longer_run_from_an_old_checkpoint(tmp_path):  # S47
    train(tmp_path / "run", steps=20, warmup_steps=2)
    output = io.StringIO()
    train(tmp_path / "run", steps=40, warmup_steps=2, resume=True, output=output)
    rates = {
        row["step"]: float(row["learning_rate"]) for row in read_table(tmp_path / "run" / "metrics.csv")[1]
    }
    assert rates["21"] == pytest.approx(0.5e-2)
    assert "training.steps: 20 -> 40" in output.getvalue()
    assert "0.005 in the next step" in output.getvalue()
    assert len(rates) == 40


def test_fewer_steps_than_are_done_are_refused(tmp_path):
    train(tmp_path / "run", steps=6)
    with pytest.raises(InputError, match=r"6 steps are done, but training.steps=4"):
        train(tmp_path / "run", steps=4, resume=True)


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(tmp_path):
    _, first = train(tmp_path / "run", validation=2, steps=4)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    output = io.StringIO()
    _, again = train(tmp_path / "run", validation=2, steps=4, resume=True, output=output)
    assert "finished" in output.getvalue()
    assert (again.best_mIoU, again.steps) == (first.best_mIoU, 4)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_decay": 0.9}, r"training\.layer_decay was None and is 0\.9"),
        ({"head_learning_rate_factor": 10.0}, r"head_learning_rate_factor was 1\.0 and is 10\.0"),
    ],
)
def test_other_layer_rules_are_refused_on_resume(tmp_path, change, message):  # S49
    train(tmp_path / "run", steps=2)
    with pytest.raises(InputError, match=message):
        train(tmp_path / "run", steps=4, resume=True, **change)


def test_another_frozen_part_is_refused_on_resume(tmp_path):  # S49
    train(tmp_path / "run", steps=2)
    config = tiny_config(tmp_path / "run", steps=4, resume=True)
    config = replace(config, model=changed(config.model, frozen="vit"))
    with pytest.raises(InputError, match=r"model\.vit\.frozen was None and is vit"):
        run_training(TinyModel(), TinyTrainingSet(TinyData(10)), None, config)


def test_another_model_is_refused_on_resume(tmp_path):  # S49
    train(tmp_path / "run", steps=2)
    model = TinyModel()
    model.more = torch.nn.Linear(2, 2)
    with pytest.raises(
        InputError, match=r"7 trained parameters, the model has 9; the first that is new: more\.bias"
    ):
        train(tmp_path / "run", model, steps=4, resume=True)


def test_another_class_list_is_refused_on_resume(tmp_path):  # S50
    train(tmp_path / "run", steps=2)
    other = ClassTable(("left", "top", "right"), (0, 1, 2))
    with pytest.raises(InputError, match="class 1 was 'right' and is 'top' now"):
        train(tmp_path / "run", TinyModel(classes=other), steps=4, resume=True)


def test_changed_settings_are_told_on_resume(tmp_path):
    train(tmp_path / "run", steps=2)
    output = io.StringIO()
    train(tmp_path / "run", photos=7, steps=4, resume=True, learning_rate=1e-3, output=output)
    assert "training.learning_rate: 0.01 -> 0.001" in output.getvalue()
    assert "training images: 10 -> 7" in output.getvalue()


def test_a_truncated_checkpoint_falls_back_to_the_one_before(tmp_path):  # S48
    whole, _ = train(tmp_path / "whole", steps=8, checkpoint_every=2)
    train(tmp_path / "run", steps=8, checkpoint_every=2)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    output = io.StringIO()
    resumed, _ = train(tmp_path / "run", steps=8, checkpoint_every=2, resume=True, output=output)
    assert re.search(r"last\.ckpt: cut short.*continuing from .*previous\.ckpt \(step 6\)", output.getvalue())
    assert_equal_states(whole.state_dict(), resumed.state_dict())


def test_a_run_is_not_overwritten(tmp_path):
    train(tmp_path / "run", steps=2)
    with pytest.raises(InputError, match="a run exists there already"):
        train(tmp_path / "run", steps=2)


def test_resuming_nothing_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        train(tmp_path / "run", steps=2, resume=True)
    with pytest.raises(InputError, match=r"expected training\.out"):
        train(None, steps=2, resume=True)


def test_a_loss_that_is_not_finite_names_step_images_and_checkpoint(tmp_path):
    class Overflowing(TinyModel):
        def loss(self, images, labels, divisor=None):
            losses = super().loss(images, labels, divisor)
            return {
                name: value * float("inf" if int(self.passes) == 5 else 1) for name, value in losses.items()
            }

    model = Overflowing()
    with pytest.raises(InputError) as error:
        train(tmp_path / "run", model, checkpoint_every=2, batch_size=2, steps=8)
    message = str(error.value)
    assert "\n" not in message
    assert "step 4" in message  # the fifth update, counted from 0 as the loader does
    assert len(re.findall(r"image \d+@\d", message)) == 2
    assert "last.ckpt (step 4)" in message
    state = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["model"].values())


def test_a_gradient_that_is_not_finite_stops_before_the_update(tmp_path):
    class Steep(TinyModel):
        def loss(self, images, labels, divisor=None):
            losses = super().loss(images, labels, divisor)
            if int(self.passes) == 3:
                losses["loss"] = losses["loss"] + torch.sqrt(self.head.weight.sum() * 0)
            return losses

    model = Steep()
    with pytest.raises(InputError, match="gradient is not finite"):
        train(tmp_path / "run", model, steps=8)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_out_of_memory_is_one_line_with_remedies(tmp_path):
    class Greedy(TinyModel):
        def loss(self, images, labels, divisor=None):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore lines")

    with pytest.raises(
        InputError, match=r"out of device memory; .*batch_size.*accumulate.*crop.*grad_checkpointing"
    ):
        train(tmp_path / "run", Greedy(), steps=2)


def test_a_bad_mask_stops_the_run_with_its_line(tmp_path):
    class Bad(TinyTrainingSet):
        def __getitem__(self, key):
            if key == (1, 3):
                raise InputError("masks/3.png: value 77")
            return super().__getitem__(key)

    with pytest.raises(InputError, match=r"masks/3.png: value 77"):
        run_training(TinyModel(), Bad(TinyData(5)), None, tiny_config(tmp_path / "run", workers=1))


def test_unreadable_images_are_counted_and_reported(tmp_path):
    class Holes(TinyTrainingSet):
        def __getitem__(self, key):
            sample = super().__getitem__(key)
            return sample | {"replaced": "hole.jpg", "reason": "cut short"} if key[1] == 2 else sample

    output = io.StringIO()
    config = tiny_config(tmp_path / "run", steps=6)
    result = run_training(
        TinyModel(), Holes(TinyData(5)), None, config, console=Console(file=output, width=200)
    )
    assert result.unreadable == {"hole.jpg": "cut short"}
    assert "could not be decoded, and replaced by others: 1 image\n" in output.getvalue()


def test_average_covers_buffers_and_copies_whole_numbers(tmp_path):
    model = TinyModel()
    train(tmp_path / "run", model, steps=6, ema_decay=0.5)
    checkpoint = read_checkpoint(tmp_path / "run" / "last.ckpt")
    now, average = checkpoint["model"], checkpoint["average"]["weights"]
    assert not torch.equal(now["norm.running_mean"], average["segmenter.norm.running_mean"])
    assert int(average["segmenter.passes"]) == int(now["passes"]) == 6
    assert_equal_states(
        model.state_dict(), {name.removeprefix("segmenter."): v for name, v in average.items()}
    )


def test_average_is_the_recursion(tmp_path):
    model = TinyModel()
    states = []

    class Watched(TinyModel):
        def loss(self, images, labels, divisor=None):
            states.append(self.head.weight.detach().clone())
            return super().loss(images, labels, divisor)

    model = Watched()
    train(tmp_path / "run", model, steps=4, ema_decay=0.75)
    states.append(read_checkpoint(tmp_path / "run" / "last.ckpt")["model"]["head.weight"])
    expected = states[1]  # after the first step a copy
    for state in states[2:]:
        expected = 0.75 * expected + 0.25 * state
    torch.testing.assert_close(model.head.weight.detach(), expected)


def test_betas_are_those_of_the_averages(tmp_path):
    first = {}
    for name, betas in {"usual": (0.9, 0.999), "short": (0.5, 0.9)}.items():
        train(tmp_path / name, steps=1, betas=betas)
        first[name] = read_checkpoint(tmp_path / name / "last.ckpt")["optimizer"]["head.weight"]
    torch.testing.assert_close(first["short"]["exp_avg"], first["usual"]["exp_avg"] * 5)
    torch.testing.assert_close(first["short"]["exp_avg_sq"], first["usual"]["exp_avg_sq"] * 100)


def test_an_image_alone_in_batch_norm_is_refused_with_remedies(tmp_path):
    def pooling(**settings):
        model = TinyModel(**settings)
        model.head.pools_to_one_pixel = True
        return model

    config = tiny_config(tmp_path / "run", batch_size=1)
    with pytest.raises(InputError, match=r"--model\.norm group.*training\.accumulate"):
        run_training(pooling(), TinyTrainingSet(TinyData(4)), None, config)
    run_training(
        pooling(norm="group"),
        TinyTrainingSet(TinyData(4)),
        None,
        config,
        console=Console(file=io.StringIO()),
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"accumulate": 0},
        {"validate_every": 0},
        {"learning_rate": 0.0},
        {"ema_decay": 1.0},
        {"betas": (0.9, 1.0)},
        {"clip_gradient_norm": 0.0},
        {"devices": 0},
        {"precision": "16-mixed"},
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        train(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_the_start_block_says_what_will_happen(tmp_path):  # S67
    output = io.StringIO()
    config = tiny_config(tmp_path / "run", steps=20, accumulate=3, class_weights="auto")
    result = run_training(
        TinyModel(),
        TinyTrainingSet(TinyData(10)),
        TinyData(4),
        config,
        console=Console(file=output, width=200),
        operator_forms={"deformable attention": "embedding_bag"},
        dry_run=True,
    )
    assert result is None
    assert not (tmp_path / "run").exists()
    text = output.getvalue()
    for part in (
        "10 training and 4 validation images, 3 classes",
        "20 in all (12.0 passes), warm-up 2",
        "6 = 1 cpu x 2 x 3 accumulated (published: 16)",
        "0.009 at most, 1e-08 in the next step",
        "0.00 M frozen",
        "32-true",
        "deformable attention: embedding_bag",
        "left 1.0",
    ):
        assert part in text, part


def test_class_weights_reach_the_loss(tmp_path):
    file = tmp_path / "weights.txt"
    file.write_text("1 2 3")
    model, _ = train(tmp_path / "run", steps=1, class_weights=str(file))
    assert model.head.criterion.class_weights.tolist() == [1, 2, 3]


@pytest.mark.slow
def test_nothing_but_the_runs_own_lines_is_printed(tmp_path, capfd, recwarn):
    train(tmp_path / "run", validation=2, steps=3, workers=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""
    assert not [str(w.message) for w in recwarn if "ightning" in str(w.filename)]
