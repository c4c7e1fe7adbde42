"""The published detectors by name; their settings are compared with the records in tests/golden."""

import pytest
import torch

from vit_adapter.api import build
from vit_adapter.cli.main import main
from vit_adapter.config import InputError
from vit_adapter.zoo import find_detection_recipe, list_detection_recipes


def test_every_name_is_found_and_names_its_task():
    names = list_detection_recipes()
    assert len(names) == len(set(names)) == 32
    tasks = {name: recipe.task for name in names if (recipe := find_detection_recipe(name))}
    assert tasks.keys() == set(names)
    assert {tasks[f"{kind}_deit_adapter_small_fpn_3x_coco"] for kind in ("atss", "gfl", "sparse_rcnn")} == {
        "detection"
    }
    assert tasks["mask2former_beitv2_adapter_large_16x1_3x_coco-panoptic"] == "panoptic"


def test_the_test_of_several_scales_has_a_name_of_its_own():
    name = "htc++_beitv2_adapter_large_fpn_3x_coco"
    recipe = find_detection_recipe(name + "_ms")
    assert recipe is not None
    assert len(recipe.test_protocol.resizes) == 6
    assert recipe.test_protocol.flip
    assert find_detection_recipe("atss_deit_adapter_small_fpn_3x_coco_ms") is None


def test_a_detector_is_built_by_its_name():
    with torch.device("meta"):
        model = build("gfl_deit_adapter_small_fpn_3x_coco")
    assert model.task_name == "detection"
    assert model.classes.names[0] == "person"
    assert model.classes.ids[-1] == 90


def test_a_recipe_is_printed_as_settings(capsys):
    assert main(["recipe", "atss_deit_adapter_small_fpn_3x_coco"]) == 0
    printed = capsys.readouterr().out
    assert "kind: atss" in printed
    assert "milestones:" in printed


def test_an_unknown_name_is_refused_with_near_ones():
    with pytest.raises(InputError, match="no such recipe"):
        build("atss_deit_adapter_huge")
