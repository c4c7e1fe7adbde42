"""Help pages as people read them."""

import re

import pytest

from vit_adapter.cli.main import main


def page(capsys, *words: str) -> str:
    """A help page in one line, with single blanks."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_kinds_of_heads_and_backbones_are_told(capsys):
    text = page(capsys, "train")
    assert "same as --model.head.kind, one of upernet, fcn, mask2former, " in text
    assert "same as --model.backbone.kind, one of" in text
    assert "--model.head.queries" not in text
    other = page(capsys, "train", "--model.head", "mask2former")
    assert "--model.head.queries QUERIES Number of object queries. (a whole number; default: " in other


@pytest.mark.parametrize("words", [("train",), ("eval",), ("predict",), ("data", "check"), ("convert",)])
def test_words_in_place_of_types_of_python(words, capsys):
    text = page(capsys, *words)
    assert text.startswith(f"usage: vit-adapter {' '.join(words)}")
    for foreign in (
        "Optional[",
        "Literal[",
        "Union[",
        "type:",
        "default: null",
        "Path to a configuration file",
    ):
        assert foreign not in text


def test_the_usage_fits_on_a_few_lines(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    usage = capsys.readouterr().out.partition("\n\n")[0]
    assert len(usage.splitlines()) <= 3


@pytest.mark.parametrize("command", ["predict", "eval"])
def test_a_model_is_no_section_of_settings(command, capsys):
    """The first argument bears the name of a section, and takes a folder or a name."""
    assert "named settings" not in page(capsys, command)


@pytest.mark.parametrize(
    ("command", "otherwise"), [("train", "data and head allow"), ("eval", "trained for")]
)
def test_every_task_is_named(command, otherwise, capsys):
    text = page(capsys, command)
    assert "--task {semantic,instance,panoptic,detection} what the model is asked for; by default" in text
    assert otherwise in text


def test_lists_of_things_that_may_be_missing(capsys):
    """One sentence for nested types, not "a list of a whole number or none or none"."""
    text = page(capsys, "train")
    assert "(a list of whole numbers or none, or none; default: none)" in text
    assert "none or none" not in text
    assert "default: ()" not in text


@pytest.mark.parametrize("words", [("train",), ("eval",), ("predict",), ("data", "check")])
def test_every_setting_has_words_of_its_own(words, capsys):
    """A setting without a sentence would show its type twice."""
    text = page(capsys, *words)
    assert "(a list of finite numbers) (a list" not in text


@pytest.mark.parametrize(
    "words", [("train",), ("predict",), ("serve",), ("demo",), ("export",), ("bench",), ("data", "convert")]
)
def test_defaults_are_told_once_and_in_words_of_flags(words, capsys):
    text = page(capsys, *words)
    assert not re.search(r"\bdefault\b((?!--)[^()])*\)? ?\([^()]*default: none\)", text)
    assert not re.search(r"\b(None|True|False)\b", text)
    assert "``" not in text
