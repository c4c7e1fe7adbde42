"""``docs/pretraining.md`` says what the table of pretrained ViTs and the models themselves say."""

import re
from pathlib import Path

import pytest
import torch

from vit_adapter import ViTAdapter
from vit_adapter.config import Normalization
from vit_adapter.zoo import PRETRAINED

TEXT = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]


def row(source: str, table: int) -> str:
    """A source's line in the first (0) or second (1) table."""
    found = [" | ".join(cells) for cells in ROWS if cells[0] == f"| {source}"]
    assert len(found) == 2, source
    return found[table]


def source_of(key: str) -> str:
    label = PRETRAINED[key].label
    return label[: label.rindex("-")]


@pytest.mark.parametrize("key", sorted(PRETRAINED))
def test_name_file_and_licence(key):
    vit, line = PRETRAINED[key], row(source_of(key), 0)
    assert f"`{vit.timm_name or key}`" in line
    assert (vit.url or vit.homepage) in line
    assert line.endswith(f"| {vit.licence} |")


def test_no_source_without_a_key():
    sources = {cells[0].removeprefix("| ") for cells in ROWS} - {"source"}
    assert sources == {source_of(key) for key in PRETRAINED}


@pytest.mark.parametrize("key", sorted(PRETRAINED))
def test_normalisation_and_patches(key):
    name = PRETRAINED[key].timm_name or key
    with torch.device("meta"):
        backbone = ViTAdapter(name)
    line = row(source_of(key), 1)
    if backbone.normalization == Normalization():
        assert "ImageNet" in line
    else:
        numbers = backbone.normalization.mean + backbone.normalization.std
        said = {float(number) for number in re.findall(r"\d+\.\d", line.split(" | ")[1])}
        assert {round(number, 1) for number in numbers} == said
    assert ("patches from 14" in line) == ("patch14" in name)
    assert ("class token" in line.rsplit(" | ", 1)[1]) == ("cls_token" not in backbone.vit.state_dict()) or (
        key == "uniperceiver_large"
    )
