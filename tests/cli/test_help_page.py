"""Help pages as people read them."""

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
