"""Whole models through the official form and back, bit for bit: T, S and B as published, all else narrow."""

import pytest
import torch

from vit_adapter import Segmenter
from vit_adapter.api import build
from vit_adapter.cli.main import main
from vit_adapter.weights.files import read_state_dict
from vit_adapter.weights.load import fit_state
from vit_adapter.weights.official import DERIVED, from_official, to_official
from vit_adapter.weights.report import LoadReport
from vit_adapter.zoo.recipes import RECIPES

from .narrow import narrow

PUBLISHED = [f"upernet_deit_adapter_{size}_512_160k_ade20k" for size in ("tiny", "small", "base")]
FAMILIES = [
    "upernet_deit_adapter_light_base_512_160k_ade20k",
    "upernet_augreg_adapter_base_512_160k_ade20k",
    "upernet_uniperceiver_adapter_large_512_160k_ade20k",
    "upernet_beit_large_512_160k_ade20k",
    "upernet_beit_adapter_large_640_160k_ade20k",
    "mask2former_beit_adapter_large_640_160k_ade20k",
    "mask2former_beitv2_adapter_large_896_80k_ade20k",
    "mask2former_beit_adapter_large_128_40k_chase_db1",
]
"""One of each backbone and head."""


def randomise(model: Segmenter) -> None:
    """Random numbers in every entry, also where a start value is 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
            else:
                value.fill_(7)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        value.dtype == second[name].dtype and torch.equal(value, second[name])
        for name, value in first.items()
    )


def through_a_file(state: dict[str, torch.Tensor], classes: tuple[str, ...], path) -> LoadReport:
    """Writes the official form, reads it, and holds both directions to bit equality."""
    official = to_official(state)
    torch.save({"meta": {"CLASSES": classes}, "state_dict": official}, path)
    read, file = read_state_dict(path)
    assert same(read, official)
    assert file.classes()[0] == classes
    back, report = fit_state(state, from_official(read), file=file)
    assert same(back, dict(state))
    assert same(to_official(back), official)
    return report


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.slow
def test_published_sizes(name, tmp_path):
    model = build(name)
    randomise(model)
    assert sum(parameter.numel() for parameter in model.parameters()) == RECIPES[name].parameters
    report = through_a_file(model.state_dict(), model.class_names, tmp_path / "official.pth")
    assert len(report.loaded) == report.total == 492
    others = [*report.kept, *report.new, *report.left_out, *report.resampled, *report.broadcast]
    assert others == []


@pytest.mark.parametrize("name", FAMILIES)
def test_narrow_models_of_every_family(name, tmp_path):
    recipe = narrow(name)
    config = recipe.model.with_pretrained(False)
    model = Segmenter.from_config(config, recipe.classes(), recipe.protocol)
    randomise(model)
    official = to_official(model.state_dict())
    assert any(key.endswith(DERIVED) for key in official) == ("beit" in name)
    through_a_file(model.state_dict(), model.class_names, tmp_path / "official.pth")
    again = Segmenter.from_config(config, recipe.classes(), recipe.protocol).eval()
    again.load_state_dict(from_official(official))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(images), model.eval()(images))


@pytest.mark.slow
def test_by_the_command_line(tmp_path, capsys):
    """A file becomes a folder, the folder a file: the same tensors under the same names."""
    model = build(PUBLISHED[0])
    randomise(model)
    official = to_official(model.state_dict())
    torch.save({"state_dict": official, "meta": {}}, tmp_path / "official.pth.tar")
    source, folder, again = (str(tmp_path / name) for name in ("official.pth.tar", "ours", "again.pth"))
    assert main(["convert", source, "-o", folder, "--recipe", f"{PUBLISHED[0]}_ss"]) == 0
    assert "492 of 492" in capsys.readouterr().out
    assert main(["convert", folder, "-o", again, "--to-official"]) == 0
    read, file = read_state_dict(again)
    assert same(read, official)
    assert file.classes()[0] == model.class_names
