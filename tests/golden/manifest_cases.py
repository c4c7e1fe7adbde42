"""Records of ``manifests/``: every published model, built on the meta device."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import torch

from vit_adapter.api import build
from vit_adapter.weights.official import from_official, to_official
from vit_adapter.zoo import Recipe, get_recipe, list_recipes


def run(path: Path) -> None:
    """Exact number of parameters; keys and shapes one-to-one in both directions."""
    with gzip.open(path, "rt") as file:
        manifest = json.load(file)
    with torch.device("meta"):
        model = build(manifest["recipe"])
    state = model.state_dict()
    official = to_official(state)
    assert {name: list(value.shape) for name, value in official.items()} == manifest["keys"]
    assert {name: value.shape for name, value in from_official(official).items()} == {
        name: value.shape for name, value in state.items()
    }
    assert sum(parameter.numel() for parameter in model.parameters()) == manifest["parameters"]
    parts = {"backbone": "backbone", "head": "decode_head", "auxiliary_head": "auxiliary_head"}
    for ours, theirs in parts.items():
        count = sum(p.numel() for name, p in model.named_parameters() if name.startswith(f"{ours}."))
        assert count == manifest["parameters_by_part"].get(theirs, 0), theirs


def run_recipes(path: Path) -> None:
    """The list of recipes is the published one, with the published scores and parameters."""
    published = json.loads(path.read_text())
    assert set(list_recipes()) == set(published)
    for name, facts in published.items():
        recipe = get_recipe(name)
        assert isinstance(recipe, Recipe)
        assert recipe.parameters == facts["exact_params"], name
        assert len(recipe.classes()) == facts["classes"], name
        assert recipe.checkpoint_url == facts["checkpoint_url"], name


RUNNERS: dict[str, Callable[[Path], None]] = {"": run, "recipes.json": run_recipes}
