"""Records of ``manifests/``: every key and shape of each published model, and what the recipes say."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vit_adapter.api import build
from vit_adapter.weights.official import DERIVED, PANOPTIC_HEAD, from_official, to_official
from vit_adapter.weights.official import official_name as official_name_in_model
from vit_adapter.weights.official import our_name as our_name_in_model
from vit_adapter.zoo.recipes import RECIPES


def run_manifest(path: Path) -> None:
    """Names one to one in both directions, shapes, buffers, and the number of parameters of every part."""
    check_manifest(json.loads(gzip.decompress(path.read_bytes())))


def check_manifest(manifest: dict[str, Any], panoptic: bool = False) -> None:
    """The same; ``panoptic``: the head has its name in the file of COCO panoptic."""

    def official_name(name: str) -> str:
        official = official_name_in_model(name)
        return official.replace("decode_head.", PANOPTIC_HEAD, 1) if panoptic else official

    def our_name(official: str) -> str:
        return our_name_in_model(official.replace(PANOPTIC_HEAD, "decode_head.", 1) if panoptic else official)

    with torch.device("meta"):  # no memory, no numbers
        model = build(manifest["recipe"])
    state = model.state_dict()
    official = to_official(state, panoptic=panoptic)
    shapes = {name: list(tensor.shape) for name, tensor in official.items()}
    assert shapes.keys() == manifest["keys"].keys(), sorted(shapes.keys() ^ manifest["keys"].keys())[:20]
    different = {name for name, shape in manifest["keys"].items() if shapes[name] != shape}
    assert not different, {name: (shapes[name], manifest["keys"][name]) for name in sorted(different)[:20]}

    stored = [name for name in manifest["keys"] if name.rpartition(".")[2] != DERIVED]
    assert {our_name(name) for name in stored} == set(state)
    assert all(official_name(our_name(name)) == name for name in stored)
    # The way back checks the index buffers, whose numbers are real.
    back = from_official(official)
    assert {name: value.shape for name, value in back.items()} == {
        name: value.shape for name, value in state.items()
    }

    parameters = {official_name(name): value for name, value in model.named_parameters()}
    assert set(shapes) - set(parameters) == set(manifest["buffers"])
    parts = Counter[str]()
    for name, value in parameters.items():
        parts[name.partition(".")[0]] += value.numel()
    assert parts == manifest["parameters_by_part"]
    assert parts.total() == manifest["parameters"]
    trainable = sum(value.numel() for value in parameters.values() if value.requires_grad)
    assert trainable == manifest["trainable"]
    assert not manifest["frozen"]


def run_recipes(path: Path) -> None:
    """The published models by name, size and score; ``tests/zoo`` compares every setting."""
    records = json.loads(path.read_text())
    assert sorted(RECIPES) == sorted(records)
    for name, record in records.items():
        recipe = RECIPES[name]
        theirs = (record["exact_params"], record["classes"], record["iterations"])
        assert (recipe.parameters, len(recipe.classes()), recipe.training.steps) == theirs, name
        scores = (record["score_single_scale"], record["score_multi_scale"])
        assert (recipe.score, recipe.multi_scale_score) == scores, name
        assert recipe.checkpoint_url == record["checkpoint_url"], name


RUNNERS: dict[str, Callable[[Path], None]] = {"": run_manifest, "recipes": run_recipes}
