"""The commands of docs/data-sets.md run, each on a miniature of its data set and with a narrow model of its recipe."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from miniatures import MINIATURES

from tiny import TINY, changed
from vit_adapter.api import build
from vit_adapter.cli.main import main
from vit_adapter.config import Mask2FormerConfig
from vit_adapter.weights.official import to_official
from vit_adapter.zoo import Recipe
from vit_adapter.zoo.download import CACHE_VARIABLE, cache_folder
from vit_adapter.zoo.recipes import RECIPES

PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
FOLDERS = {
    "ADEChallengeData2016": "ade20k",
    "cityscapes": "cityscapes",
    "Mapillary": "mapillary",
    "coco_stuff10k": "coco_stuff10k",
    "coco_stuff164k": "coco_stuff164k",
    "coco": "coco_panoptic",
    "VOCdevkit/VOC2010": "pascal_context_59",
    "potsdam": "potsdam",
    "CHASE_DB1": "chase_db1",
}
"""What the page calls a folder, and the miniature for it."""


def narrow(recipe: Recipe) -> Recipe:
    """The same recipe for a model of a few channels on small images."""
    head = Mask2FormerConfig(
        queries=5,
        channels=32,
        heads=4,
        encoder_layers=1,
        decoder_layers=1,
        encoder_feedforward=16,
        decoder_feedforward=16,
    )
    model = changed(
        recipe.model,
        vit_options=TINY,
        head_channels=16,
        auxiliary_channels=16,
        mask2former=head,
        img_size=None if recipe.model.vit.img_size is None else 64,
    )
    protocol = replace(recipe.protocol, resize=(256, 64), crop=64, stride=43)
    return replace(recipe, model=model, protocol=protocol)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with all miniatures, and the cache beside it."""
    for name, miniature in FOLDERS.items():
        MINIATURES[miniature][0](tmp_path / name)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_data_set_of_a_recipe_is_on_the_page():
    checked = {words[3] for words in map(shlex.split, COMMANDS) if words[1:3] == ["data", "check"]}
    trained = {RECIPES[words[2]].dataset for words in map(shlex.split, COMMANDS) if words[1] == "train"}
    assert trained == {recipe.dataset for recipe in RECIPES.values()}
    assert checked == {name.partition("/")[0] for name in FOLDERS}


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, there, monkeypatch, capsys):
    words = shlex.split(command)[1:]
    if words[0] != "data":
        recipe = narrow(RECIPES[words[1]])
        monkeypatch.setitem(RECIPES, recipe.name, recipe)
        if words[0] == "eval":
            assert recipe.checkpoint_url is not None
            cache_folder().mkdir()
            content = {"state_dict": to_official(build(recipe.name).state_dict())}
            torch.save(content, cache_folder() / recipe.checkpoint_url.rpartition("/")[2])
    assert main(words) == 0
    printed = capsys.readouterr().out
    if words[0] == "data":
        assert "layout" in printed
        assert "everything fits" in printed
    elif words[0] == "train":
        assert not (there / "runs").exists()
    else:
        assert recipe.metric in printed
