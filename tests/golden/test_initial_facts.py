"""Initial values of necks and heads of two-stage detectors at official widths (``init_facts_two_stage.json``)."""

import json
from functools import lru_cache
from typing import Any

import pytest
import torch

from vit_adapter.heads.build import build_head
from vit_adapter.weights.official import our_name
from vit_adapter.zoo.detection import DETECTION

from .roots import golden_roots

FILE = "init_facts_two_stage.json"
RECIPES = {
    "mask_rcnn": ("mask_rcnn_deit_adapter_tiny_fpn_3x_coco", 192),
    "mask_rcnn_mae": ("mask_rcnn_mae_adapter_base_lsj_fpn_25ep_coco", 768),
    "cascade": ("cascade_mask_rcnn_deit_adapter_small_fpn_3x_coco", 384),
    "htc++": ("htc++_beitv2_adapter_large_fpn_3x_coco", 1024),
    "htc++_o365": ("htc++_beitv2_adapter_large_fpn_o365_coco", 1024),
    "no_fpn": ("mask_rcnn_deit_adapter_small_3x_coco", 384),
}
"""Detector, as the facts call it, to a recipe that has its head, and the width of that recipe's backbone."""


def facts() -> dict[str, Any]:
    """Of each module what was recorded, by the names of all roots that have the file."""
    found: dict[str, Any] = {}
    for root in golden_roots():
        if (root / FILE).is_file():
            found |= json.loads((root / FILE).read_text())["modules"]
    return found


@lru_cache(1)  # a hundred megabytes
def fresh_head(recipe: str, width: int) -> dict[str, torch.Tensor]:
    """Parameters of a freshly made head, by their names in a model."""
    torch.manual_seed(0)
    head = build_head(DETECTION[recipe].model.head, [width] * 4, 80, "batch")
    return {f"head.{name}": value.detach() for name, value in head.named_parameters()}


@pytest.mark.parametrize("module", facts())
def test_initial_values(module):
    """Constants exactly, distributions by mean, deviation and, of uniform ones, the bound."""
    detector, _, part = module.partition(".")
    part = "roi_head.mask_head.0" if module == "cascade.roi_head.mask_head" else part  # of the first stage
    ours = fresh_head(*RECIPES[detector])
    parameters = facts()[module]["parameters"]
    assert parameters
    for name, fact in parameters.items():
        values = ours[our_name(f"{part}.{name}")].double()
        assert list(values.shape) == fact["shape"], name
        if "constant" in fact:
            assert (values == fact["constant"]).all(), name
            continue
        count, deviation = values.numel(), fact["std"]
        # Both sides are draws: six times the spread of the difference of two estimates.
        assert float(values.std()) == pytest.approx(deviation, rel=6 / count**0.5 + 1e-3), name
        assert abs(float(values.mean())) <= 5 * deviation / count**0.5, name
        if fact["kind"] == "uniform":
            assert float(values.abs().max()) == pytest.approx(fact["absmax"], rel=0.02), name
            assert float(values.abs().max()) < 2 * deviation, name
