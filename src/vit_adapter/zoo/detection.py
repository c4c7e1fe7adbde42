"""The published detectors, and the published model of COCO panoptic."""

from dataclasses import replace

from .cascade_and_one_stage import CASCADE, ONE_STAGE
from .coco_panoptic import PANOPTIC
from .detection_recipe import DetectionRecipe
from .htc import HTC, OBJECTS365
from .mask_rcnn import MASK_RCNN

DETECTION: dict[str, DetectionRecipe] = {
    recipe.name: recipe for recipe in (*MASK_RCNN, *CASCADE, *ONE_STAGE, *HTC, OBJECTS365, PANOPTIC)
}
"""Every published detector by its name; those with a test of several scales have it as ``multi_scale``."""


def find_detection_recipe(name: str) -> DetectionRecipe | None:
    """A published detector by its name or by that of its official configuration; None if there is none.

    Args:
        name: With ``_ms`` at the end, the test of several scales is set.
    """
    if name in DETECTION:
        return DETECTION[name]
    recipe = DETECTION.get(name.removesuffix("_ms")) if name.endswith("_ms") else None
    return None if recipe is None or recipe.multi_scale is None else replace(recipe, variant="ms")


def list_detection_recipes() -> list[str]:
    """Names of the published detectors and of the model of COCO panoptic."""
    return list(DETECTION)
