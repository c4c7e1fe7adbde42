"""Settings that a reader takes for something else than is written: files, flags and Python."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from vit_adapter import InputError, api
from vit_adapter.cli.main import main
from vit_adapter.config import (
    AdapterConfig,
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    Mask2FormerConfig,
    RunConfig,
    TrainingConfig,
    UPerNetConfig,
    ViTConfig,
)
from vit_adapter.config.settings_yaml import read_value

from .making import refusal

HEADING = "Settings: what is written, and what is read"
TITLES = {
    102: "Numbers that YAML reads in another base",
    103: "Nothing, not-a-number, and names that stand twice",
    104: "Flags that almost exist",
    105: "A folder where a recipe is expected",
    106: "Numbers below the smallest that makes sense",
}


@pytest.fixture
def accepted(monkeypatch):
    """The configuration with which ``train`` begins its work."""

    def run(*words: object) -> RunConfig:
        seen = []
        monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config))
        assert main(["train", *map(str, words)]) == 0
        return seen[0]

    return run


def written(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", ["12:30", "010", "0x10", "0b11", "0o17", "1_000", "1:30:00"])
def test_s102_numbers_in_another_base(tmp_path, capfd, text):
    """`12:30` is 750 to YAML and `010` is 8: such numbers are refused in files and flags, as they were written."""
    for number, settings in enumerate(
        (f"training: {{steps: {text}}}", f"data:\n  ignored_values: [0, {text}]\n")
    ):
        line = refusal(capfd, "train", "--config", written(tmp_path, settings))
        field = ("training.steps: ", "data.ignored_values: entry 2 is ")[number]
        assert line.startswith(f"vit-adapter: error: {tmp_path / 'settings.yaml'}: {field}{text}"), line
    for flag in ("--training.steps", "--training.validate_every", "--seed", "--data.augmentation.crop"):
        assert f"{flag} {text}: expected a whole number" in refusal(capfd, "train", flag, text)
    assert f"--limit {text}: expected a whole number" in refusal(capfd, "eval", "x", f"--limit={text}")
    assert f"--batch-size {text}: expected a whole number" in refusal(
        capfd, "predict", "x", "y", "--batch-size", text
    )


def test_s102_texts_and_decimal_numbers_stay(tmp_path, accepted):
    """Names of folders and classes may look like such numbers; decimal numbers of every form are read."""
    assert accepted("--out", "010").training.out == "010"
    assert accepted("--data.classes", "[no, 1e3, 010, 12:30]").data.classes == "[no, 1e3, 010, 12:30]"
    assert accepted("--config", written(tmp_path, "training: {out: '12:30'}")).training.out == "12:30"
    for text in ("1e-3", "0.001", "1.0e-3", ".001", "1E-3"):
        assert accepted("--training.learning_rate", text).training.learning_rate == 1e-3
        file = written(tmp_path, f"training: {{learning_rate: {text}}}")
        assert accepted("--config", file).training.learning_rate == 1e-3
    assert read_value("{7: 0, 263: -1}") == {7: 0, 263: -1}


def test_s102_pairs_without_a_blank(tmp_path, capfd, accepted):
    """`{7:0,263:1}` without blanks is one number in base 60 for each pair: the line says where a blank is missing."""
    for words in (
        ["--data.label_map", "{7:0,263:1}"],
        ["--config", written(tmp_path, "data: {label_map: {7:0,263:1}}")],
    ):
        line = refusal(capfd, "train", *words)
        assert "data.label_map: 7:0, which YAML reads as the number 420; put a space after the colon" in line
    assert accepted("--data.label_map", "{7: 0, 263: 1}").data.label_map == {7: 0, 263: 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training: {steps: null}", "training.steps: null: expected a whole number"),
        ("training: {steps: }", "training.steps: nothing: expected a whole number"),
        ("training: null", "training: null: expected named settings"),
        ("data: {augmentation: ~}", "data.augmentation: ~: expected named settings"),
        ("protocol: {normalization: null}", "protocol.normalization: null: expected named settings"),
        ("training: {learning_rate: .nan}", "training.learning_rate: .nan: expected a finite number"),
        ("training: {learning_rate: .inf}", "training.learning_rate: .inf: expected a finite number"),
        ("protocol: {scales: [1, .inf]}", "protocol.scales: number 2 is inf, expected a finite number"),
        ("training: {betas: [0.9]}", "training.betas: [0.9]: expected two finite numbers"),
        ("training: {steps: 3.0}", "training.steps: 3.0: expected a whole number"),
        ("training: {steps: '3'}", "training.steps: 3: expected a whole number"),
        ("training: {resume: 1}", "training.resume: 1: expected true or false"),
        ("training: {steps: 0}", "training.steps: 0: expected at least 1"),
        ("data: {augmentation: {flip: 2}}", "data.augmentation.flip: 2: expected at least 0 and at most 1"),
        ("training: {precision: fp16}", "training.precision: fp16: expected '32-true', 'bf16-mixed'"),
        ("training:\n  steps: 3\n  steps: 4", "training.steps is given twice, in lines 2 and 3"),
        ("training: {steps: 3}\ntraining: {seed: 4}", "training is given twice, in lines 1 and 2"),
        ("protocol: {normalization: {std: [1], std: [2]}}", "protocol.normalization.std is given twice"),
        ("data: {label_map: {7: 0, 7: 1}}", "data.label_map: 7 is given twice"),
        ("training: {stepz: 3}", "training.stepz: there is no such setting; did you mean training.steps?"),
        ("Training: {steps: 3}", "Training: there is no such setting; did you mean training?"),
        ("training: {STEPS: 3}", "training.STEPS: there is no such setting; did you mean training.steps?"),
        ("training: {lr: 3}", "training.lr: there is no such setting; did you mean training.learning_rate?"),
        ("data: {flip: 0.3}", "data.flip: there is no such setting; did you mean data.augmentation.flip?"),
        ("epochs: 3", "epochs: there is no such setting; did you mean training.steps? (one pass over N"),
        ("- steps", "expected named settings"),
        ("training: [", "is not YAML"),
    ],
)
def test_s103_what_a_file_says(tmp_path, capfd, text, expected):
    """Nothing where a value is needed, a number that is infinite or none, a name or a block that is given twice, a name
    that almost exists: one line with file, setting and text, instead of a traceback or a value that was lost."""
    line = refusal(capfd, "train", "--config", written(tmp_path, text))
    assert line.startswith(f"vit-adapter: error: {tmp_path / 'settings.yaml'}: {expected}"), line


def test_s103_what_a_flag_says(tmp_path, capfd):
    """The same from flags, and from a section given as text or as a file."""
    for words, expected in (
        (["--training.steps", "null"], "--training.steps null: expected a whole number"),
        (["--training.learning_rate", "nan"], "--training.learning_rate nan: expected a finite number"),
        (["--training.learning_rate=.inf"], "--training.learning_rate is inf: expected a finite number"),
        (["--data.augmentation", "{flip: 0.3, flip: 0.4}"], "data.augmentation.flip is given twice"),
        (
            ["--data.augmentation", written(tmp_path, "{flp: 0.3}")],
            "data.augmentation.flp: there is no such setting",
        ),
        (["--protocol", "{crop: 010}"], "protocol.crop: 010, which YAML reads as the number 8"),
        (["--data.label_map", '{"7": 0, "7": 1}'], "--data.label_map: 7 is given twice"),
        (["--config", tmp_path], "is a folder, expected a YAML file"),
    ):
        assert expected in refusal(capfd, "train", *words)


SECTIONS = [
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    Mask2FormerConfig,
    UPerNetConfig,
    AdapterConfig,
    ViTConfig,
    InferenceConfig,
    TrainingConfig,
]


@pytest.mark.parametrize("section", SECTIONS)
def test_s103_what_python_says(section):
    """Every number of every section is refused from Python, too, where it is infinite, none, a text or true."""
    default = section()
    tried = 0
    for name, value in vars(default).items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        for wrong in (math.nan, math.inf, None, "3", True):
            if (
                wrong is None
                and name in ("crop", "multiple", "cffn_ratio")
                and section is not InferenceConfig
            ):
                continue  # none has a meaning
            if wrong is None and name == "multiple":
                continue
            with pytest.raises(InputError, match=rf"^--{section.section}\.{name} is .*: expected") as error:
                replace(default, **{name: wrong})
            assert "\n" not in str(error.value)
            tried += 1
    assert tried >= 5
    assert math.isnan(DataConfig(no_data=math.nan).no_data)


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--epochs", "--training.steps"),
        ("--lr", "--training.learning_rate"),
        ("--training.lr", "--training.learning_rate"),
        ("--training.epochs", "--training.steps"),
        ("--batch-size", "--training.batch_size"),
        ("--training.batch", "--training.batch_size"),
        ("--training.learning-rate", "--training.learning_rate"),
        ("--training.stepz", "--training.steps"),
        ("--Training.Steps", "--training.steps"),
        ("--data.rot", "--data.root"),
        ("--data.num_workers", "--data.workers"),
        ("--data.crop", "--data.augmentation.crop"),
        ("--data.crop_size", "--data.augmentation.crop"),
        ("--model.backbone_name", "--model.backbone"),
        ("--steps", "--training.steps"),
        ("--weight-decay", "--training.weight_decay"),
        ("--output", "--training.out"),
        ("--vit", "--model.vit"),
        ("--dryrun", "--dry-run"),
        ("--dry_run", "--dry-run"),
        ("--protocol.strde", "--protocol.stride"),
    ],
)
def test_s104_near_names(capfd, flag, meant):
    """Flags of other tools, misspelt ones, other case and abbreviations are refused with the name that was meant."""
    line = refusal(capfd, "train", flag, "3")
    assert line.startswith(f"vit-adapter: error: {flag}: there is no such flag"), line
    assert f"did you mean {meant}?" in line, line


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["eval", "x", "--tta"], "--evaluation.tta"),
        (["eval", "x", "--protocol.cro=3"], "--protocol.crop"),
        (["predict", "x", "y", "--thresh", "0.5"], "--threshold"),
        (["predict", "x", "y", "--batch_size", "2"], "--batch-size"),
        (["demo", "--step", "3"], "--steps"),
        (["data", "check", "x", "--samples", "3"], "--sample"),
        (["convert", "x", "--output", "y"], "--out"),
    ],
)
def test_s104_in_every_command(capfd, words, meant):
    """No command takes an abbreviated flag for another one in silence."""
    assert f"there is no such flag; did you mean {meant}?" in refusal(capfd, *words)


def test_s105_a_folder_is_no_recipe(tmp_path, capfd):
    """`train FOLDER` names the way; a run's folder and a file of settings too; a recipe behind flags counts."""
    data, run = tmp_path / "my photos", tmp_path / "run"
    for folder in (data, run):
        folder.mkdir()
    (run / "config.yaml").write_text("training: {steps: 3}\n")
    line = refusal(capfd, "train", data)
    assert "is a folder, expected the name of a recipe; to train on the images in it: " in line
    assert line.endswith(f"vit-adapter train --data.root {data}")
    assert f"--resume {run} goes on with it" in refusal(capfd, "train", run)
    assert f"give it with --config {run / 'config.yaml'}" in refusal(capfd, "train", run / "config.yaml")
    assert "is a folder, expected the name of a recipe" in refusal(capfd, "recipe", data)


def test_s105_a_recipe_behind_flags(accepted):
    """A recipe that stands behind flags gives its settings, as if it stood first."""
    name = "upernet_deit_adapter_tiny_512_160k_ade20k"
    first = accepted(name, "--training.seed", 3)
    assert first.model.vit.name == "deit_tiny_patch16_224.fb_in1k"
    assert accepted("--training.seed", 3, name) == first


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--training.batch_size", "0"],
        ["train", "--training.steps", "-3"],
        ["train", "--seed", "-1"],
        ["train", "--data.workers", "-1"],
        ["train", "--data.max_pixels", "0"],
        ["train", "--model.head", "mask2former", "--model.head.queries", "0"],
        ["train", "--model.head.channels", "0"],
        ["train", "--protocol.crop", "0"],
        ["train", "--protocol.stride=-1"],
        ["train", "--evaluation.batch_size", "0"],
        ["eval", "nowhere", "--limit", "0"],
        ["eval", "nowhere", "--evaluation.threshold", "1.5"],
        ["predict", "nowhere", "x", "--batch-size", "0"],
        ["predict", "nowhere", "x", "--batch-size", "-1"],
        ["predict", "nowhere", "x", "--max-pixels", "0"],
        ["predict", "nowhere", "x", "--alpha", "nan"],
        ["predict", "nowhere", "x", "--alpha", "-1"],
        ["predict", "nowhere", "x", "--threshold", "2"],
        ["predict", "nowhere", "x", "--threshold", "nan"],
        ["demo", "--steps", "0"],
        ["demo", "--seed", "-1"],
        ["data", "check", "nowhere", "--sample", "0"],
    ],
)
def test_s106_every_command(capfd, words):
    """`--batch-size 0` and other numbers that are too small, or none, are refused by every command before it looks for
    anything."""
    line = refusal(capfd, *words)
    assert words[-2].partition("=")[0].lstrip("-") in line or words[-1].partition("=")[0] in line, line
    assert "expected" in line
    assert "nowhere" not in line
