"""The list of published models."""

import pytest

from vit_adapter.config import InputError
from vit_adapter.zoo.recipes import RECIPES, all_recipes
from vit_adapter.zoo.table import matching_recipes, print_recipes


def test_every_model_has_its_figures_in_one_line(capsys):
    print_recipes()
    lines = capsys.readouterr().out.splitlines()
    for recipe in all_recipes().values():
        line = next(line for line in lines if line.startswith(f"{recipe.name} "))
        assert f"{recipe.parameters:,}" in line
        assert recipe.score is None or f"{recipe.score:.1f} / " in line
        assert f"{recipe.source.label} ({recipe.source.licence})" in line
        published = recipe.origin == "vit_adapter"
        assert ("not published" in line) == (published and recipe.checkpoint_url is None)
        assert ("ours, not yet trained: no published number" in line) == (recipe.origin == "own")


def test_addresses(capsys):
    print_recipes("augreg tiny", long=True)
    text = capsys.readouterr().out
    recipe = RECIPES["upernet_augreg_adapter_tiny_512_160k_ade20k"]
    assert recipe.checkpoint_url in text
    assert recipe.source.url in text
    assert "deit" not in text


def test_words_of_names():
    assert {recipe.name for recipe in matching_recipes("deit-adapter-small")} == {
        "upernet_deit_adapter_small_512_160k_ade20k"
    }
    with pytest.raises(InputError, match="'swin': in the name of none of the 52 recipes"):
        matching_recipes("swin")


@pytest.mark.parametrize("ending", ["", "_ss", "_ms"])
def test_names_of_official_configurations(ending):
    name = "mask2former_beitv2_adapter_large_896_80k_ade20k"
    assert [recipe.name for recipe in matching_recipes(name + ending)] == [name]
