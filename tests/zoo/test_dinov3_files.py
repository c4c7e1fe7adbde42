"""DINOv3's two published files: loaded together, each alone refused in plain words, the licence said first."""

import pytest
import torch

from vit_adapter import InputError, Segmenter, load
from vit_adapter.cli.main import main
from vit_adapter.weights.official_dinov3 import VIT, to_dinov3
from vit_adapter.zoo.recipes import MORE_RECIPES

from .narrow import narrow

NAME = "mask2former_dinov3_adapter_7b_896_ade20k"


@pytest.fixture
def files(monkeypatch, tmp_path):
    """A narrow model of the recipe, the file of its ViT, the file of the rest, and one that holds everything."""
    recipe = narrow(MORE_RECIPES[NAME])
    monkeypatch.setitem(MORE_RECIPES, NAME, recipe)
    torch.manual_seed(0)
    model = Segmenter.from_config(
        recipe.model.with_pretrained(False), recipe.classes(), recipe.protocol
    ).eval()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape) + 0.1)
    published = to_dinov3(model.state_dict())
    vit = {name.removeprefix(VIT): value for name, value in published.items() if name.startswith(VIT)}
    head = {name: value for name, value in published.items() if not name.startswith(VIT)}
    for name, state in (("vit", vit), ("head", head), ("whole", published)):
        torch.save(state, tmp_path / f"{name}.pth")
    return model, tmp_path


def same(model: Segmenter, other: Segmenter) -> bool:
    first, second = model.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(v, second[n]) for n, v in first.items())


def test_both_files_together(files, capsys):
    model, folder = files
    loaded = load(NAME, folder / "head.pth", vit=folder / "vit.pth")
    assert same(loaded, model)
    assert not loaded.training
    assert loaded.protocol.resize_answers
    assert f"the ViT's weights are those of {folder / 'vit.pth'}" in str(loaded.load_report)
    said = capsys.readouterr().err
    assert said.startswith(f"{NAME}: the weights are under the DINOv3 License (https://github.com/")


def test_one_file_may_hold_everything(files):
    model, folder = files
    assert same(load(NAME, folder / "whole.pth"), model)


def test_the_vit_that_is_named_wins_and_is_told(files):
    model, folder = files
    other = torch.load(folder / "vit.pth")
    other["cls_token"] += 1
    torch.save(other, folder / "other.pth")
    loaded = load(NAME, folder / "whole.pth", vit=folder / "other.pth")
    assert torch.equal(loaded.backbone.vit.cls_token, model.backbone.vit.cls_token + 1)  # pyright: ignore
    assert "entries of another ViT" in str(loaded.load_report)


def test_the_head_alone_is_refused(files):
    _, folder = files
    with pytest.raises(InputError, match=r"head.pth: holds no ViT; name the file of DINOv3-7B as well"):
        load(NAME, folder / "head.pth")
    with pytest.raises(InputError, match="0 of 70 tensors matched"):
        load(NAME, folder / "whole.pth", vit=folder / "head.pth")
    with pytest.raises(InputError, match="to those who accept the DINOv3 License"):
        load(NAME)
    with pytest.raises(InputError, match="is no recipe"):
        load(folder / "head.pth", vit=folder / "vit.pth")


@pytest.mark.parametrize("named", [["--recipe", NAME], []])
def test_a_model_folder_and_back(files, capsys, named):
    """The recipe is found by names and shapes where it is not given."""
    model, folder = files
    head, vit, out, again = (str(folder / name) for name in ("head.pth", "vit.pth", "ours", "again.pth"))
    assert main(["convert", head, "--vit", vit, "-o", out, *named]) == 0
    assert "DINOv3 License" in capsys.readouterr().err
    assert same(load(out), model)
    assert main(["convert", out, "-o", again, "--to-official"]) == 0
    stored = torch.load(again)["state_dict"]
    whole = torch.load(folder / "whole.pth")
    assert stored.keys() == whole.keys()
    assert all(torch.equal(value, stored[name]) for name, value in whole.items())
