"""Settings files of a run given to other commands, and "none" as people write it."""

import pytest

from tiny import tiny_model
from vit_adapter import api
from vit_adapter.cli.main import main
from vit_adapter.config import DataConfig, EvaluationConfig, RunConfig, TrainingConfig
from vit_adapter.config.plain import to_yaml


@pytest.fixture
def settings_file(tmp_path):
    """The ``config.yaml`` of a run folder."""
    config = RunConfig(
        tiny_model(),
        DataConfig(root=str(tmp_path / "data"), ignore=7),
        TrainingConfig(steps=3),
        EvaluationConfig(limit=2),
    )
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    return path


def test_eval_takes_the_settings_file_of_a_run(settings_file, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(api, "evaluate", lambda *arguments, **_: seen.append(arguments))
    assert main(["eval", "runs/mine", "--config", str(settings_file), "--evaluation.limit", "5"]) == 0
    model, data, evaluation = seen[0]
    assert model == "runs/mine"
    assert (data.root, data.ignore) == (str(settings_file.parent / "data"), 7)
    assert evaluation.limit == 5
    assert capsys.readouterr().err == f"note: {settings_file}: model, training: not used by this command\n"


def test_data_check_takes_the_settings_file_of_a_run(settings_file, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(api, "check_data", lambda data, **_: seen.append(data) or True)
    assert main(["data", "check", "--config", str(settings_file)]) == 0
    assert seen[0].ignore == 7
    unused = "model, training, evaluation, task: not used by this command"
    assert capsys.readouterr().err == f"note: {settings_file}: {unused}\n"


def test_a_wrong_setting_in_a_section_that_is_used_is_still_named(settings_file, capsys):
    settings_file.write_text("training: {steps: 3}\ndata: {rot: x}\n")
    assert main(["eval", "runs/mine", "--config", str(settings_file)]) == 2
    assert f"{settings_file}: data.rot: there is no such setting" in capsys.readouterr().err
    settings_file.write_text("trainin: {steps: 3}\n")
    assert main(["eval", "runs/mine", "--config", str(settings_file)]) == 2
    assert f"{settings_file}: trainin: there is no such setting" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["none", "None", "null"])
def test_none_as_help_and_messages_write_it(word, monkeypatch, tmp_path, capsys):
    seen = []
    monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config))
    flags = ["--training.layer_decay", word, f"--training.warmup_steps={word}", "--data.mean", word]
    assert main(["train", *flags]) == 0
    assert (seen[0].training.layer_decay, seen[0].training.warmup_steps, seen[0].data.mean) == (None,) * 3
    monkeypatch.setattr(api, "predict", lambda *_, **settings: seen.append(settings) or [])
    assert main(["predict", "runs/mine", "a.png", "--threshold", word]) == 0
    assert seen[1]["threshold"] is None
    assert main(["train", "--training.steps", word]) == 2
    assert f"--training.steps {word}: expected a whole number" in capsys.readouterr().err


def test_none_stays_a_name_where_texts_are_taken(monkeypatch):
    seen = []
    monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config))
    assert main(["train", "--data.root", "none", "--data.classes", "[none, road]"]) == 0
    assert (seen[0].data.root, seen[0].data.classes) == ("none", ["none", "road"])


def test_none_in_a_settings_file(tmp_path, capsys):
    (tmp_path / "s.yaml").write_text("training: {layer_decay: None}\n")
    assert main(["train", "--config", str(tmp_path / "s.yaml")]) == 2
    line = capsys.readouterr().err.strip()
    assert "training.layer_decay: None: expected a finite number or none" in line
    assert line.endswith("YAML writes none as null")
