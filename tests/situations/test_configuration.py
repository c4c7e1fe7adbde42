"""Configuration mistakes: names that YAML changes, class tables by text or number, schedules of another length."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vit_adapter import InputError
from vit_adapter.api import train
from vit_adapter.config import DataConfig
from vit_adapter.data.class_files import read_class_file
from vit_adapter.data.dataset import open_dataset

from .making import TRAINING, command, halves, refusal, save_pairs
from .training_parts import ConstantScores, Images, bars, painted, rows, run, tiny_run

TYPED = ["no", "yes", "on", "off", "null", "010", "1e3", "~", "road"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.yaml", '[no, yes, on, off, null, 010, 1e3, ~, "road "]'),
        ("classes.json", json.dumps([*TYPED[:-1], "road "])),
        ("classes.txt", "\n".join([*TYPED[:-1], "road "])),
    ],
)
def test_s65_class_names_that_yaml_reads_as_something_else(tmp_path, name, text):
    """Names stay as typed in every form of class file; blanks around them go, and repeated names are refused."""
    path = tmp_path / name
    path.write_text(text)
    assert [entry.name for entry in read_class_file(path)] == TYPED
    data = save_pairs(tmp_path / "data", {"a": halves(0, 8), "b": halves(8, 0)})
    assert list(open_dataset(DataConfig(root=str(data), classes=str(path)), "train").classes.names) == TYPED
    path.write_text(
        {"yaml": "[road, no, 'road ']", "json": '["road", "no", "road "]'}.get(name[8:], "road\nno\nroad ")
    )
    with pytest.raises(InputError, match=rf"{name}: .*'road' occurs twice, as entry 1 and as entry 3"):
        read_class_file(path)


@pytest.mark.slow
def test_s65_class_names_in_settings(tmp_path, capfd):
    """On the command line names stay as typed; in a `--config` file, which is YAML, others than texts are refused by
    position, and what a run writes is read back unchanged."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcd"})
    start = ["train", "--data.root", data, *TRAINING, "--training.steps", 1]
    code, _, err = command(capfd, *start, "--data.classes", "[no, 1e3]", "--out", tmp_path / "run")
    assert code == 0, err
    names = json.loads((tmp_path / "run" / "best" / "config.json").read_text())["classes"]["names"]
    assert names == ["no", "1e3"]
    again = ["--config", tmp_path / "run" / "config.yaml", "--training.steps", 2, "--resume"]
    code, _, err = command(capfd, "train", *again, "--out", tmp_path / "run")
    assert code == 0, err
    for number, text in enumerate(("[road, no]", "[road, 010]", "[road, 1e3]")):
        path = tmp_path / f"settings {number}.yaml"
        path.write_text(f"data:\n  classes: {text}\n")
        line = refusal(capfd, "train", "--config", path, *start[1:])
        assert f"{path.name}: data.classes: entry 2" in line, line
        assert "quotes" in line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '{"0": "road", "7": "sky"}'),
        ("classes.yaml", "{0: road, 7: sky}"),
        ("classes.yaml", '"0": road\n"7": sky\n'),
        ("classes.json", '[[0, "road"], [7, "sky"]]'),
    ],
)
def test_s66_class_tables_keyed_by_text_or_by_number(tmp_path, name, text):
    """All forms of a class table give the same classes; keys as text are numbers."""
    data = save_pairs(tmp_path / "data", {"a": halves(0, 7), "b": halves(7, 0)})
    (tmp_path / name).write_text(text)
    for part in ("train", "val"):
        dataset = open_dataset(DataConfig(root=str(data), classes=str(tmp_path / name)), part)
        assert dataset.classes.names == ("road", "sky")
        labels = dataset.read(0).labels
        assert sorted(np.unique(labels, return_counts=True)[1].tolist()) == [512, 512]
        assert set(np.unique(labels)) == {0, 1}  # nothing is void


def test_s66_nothing_but_void(tmp_path):
    """A data set whose masks hold nothing but ignored pixels stops before the model is built."""
    data = save_pairs(tmp_path / "data", {name: halves(255, 255) for name in "abcd"})
    config = tiny_run(tmp_path / "run")
    settings = DataConfig(root=str(data), classes=["road", "sky"], workers=0)
    with pytest.raises(InputError, match="ignored") as error:
        train(replace(config, data=settings))
    assert str(data) in str(error.value)
    assert not (tmp_path / "run").exists()


def short(tmp_path, **training) -> str:
    """What a run on two tiny images prints."""
    labels = bars(0, 1, side=8)
    source = Images([painted(labels)] * 2, [labels] * 2, classes=2)
    return run(ConstantScores([1.0, 0.0]), source, tiny_run(tmp_path / "run", **training), source)


def test_s67_a_schedule_made_for_another_length(tmp_path):
    """Without a given warm-up it is a tenth of a short run; one as long as the run is refused with both numbers."""
    message = (
        r"training\.warmup_steps=1500 with training\.steps=20: the full learning rate would never be reached"
    )
    with pytest.raises(InputError, match=message):
        short(tmp_path, steps=20, warmup_steps=1500)
    assert not (tmp_path / "run").exists()
    told = short(tmp_path, steps=20, batch_size=2, learning_rate=6e-5, validate_every=50, checkpoint_every=70)
    assert "20 in all (20.0 passes), warm-up 2" in told
    assert "learning rate  5.4e-05 at most" in told
    assert "batch          2 = 1 cpu x 2 x 1 accumulated (published: 16)" in told
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "run")]
    assert max(rates) == pytest.approx(5.4e-5)
    assert rates[-1] == pytest.approx(6e-5 / 20)
    # Intervals beyond the end: the last step is validated and saved all the same.
    assert [row["step"] for row in rows(tmp_path / "run") if row["mIoU"]] == ["20"]
    assert (tmp_path / "run" / "last.ckpt").exists()
