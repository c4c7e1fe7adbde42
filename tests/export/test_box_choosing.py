"""Boxes chosen in numpy, for files that run without torch, against those that the heads choose."""

import numpy as np
import pytest
import torch

from vit_adapter.annotations.suppression import suppressed_by_class
from vit_adapter.config import ATSSConfig, GFLConfig, SparseRCNNConfig
from vit_adapter.export.box_choosing import chosen_boxes
from vit_adapter.heads import build_head
from vit_adapter.heads.detection.suppression import Suppression, suppress_by_class

AREA = (96, 160)  # 3 rows at stride 32: the levels beyond it have sides that are rounded up
SHOWN = (90, 150)  # what is no padding of it


@pytest.mark.parametrize(
    "config",
    [
        ATSSConfig(channels=16, convolutions=1),
        GFLConfig(channels=16, convolutions=1),
        SparseRCNNConfig(channels=16, proposals=9, stages=2, heads=2, feedforward=16, dynamic_channels=4),
    ],
    ids=lambda config: config.kind,
)
def test_the_choice_is_that_of_the_head(config):
    torch.manual_seed(0)
    head = build_head(config, [8] * 4, 3).eval()
    for name, weight in head.named_parameters():
        if "classifier" in name:  # scores on both sides of the threshold, all different
            torch.nn.init.normal_(weight, std=1 if weight.ndim == 1 else 0.5)
    maps = [torch.randn(2, 8, AREA[0] // stride, AREA[1] // stride) for stride in (4, 8, 16, 32)]
    with torch.no_grad():
        expected = head.find(maps, SHOWN)
        candidates = head.candidates(maps, SHOWN)
        # As an exported file gives them: it knows of no padding.
        whole = head.candidates(maps, AREA).boxes if config.kind != "sparse_rcnn" else candidates.boxes
    assert all(len(one.boxes) > 5 for one in expected)
    for index, one in enumerate(expected):
        central = None if candidates.centerness is None else candidates.centerness[index].numpy()
        boxes, classes, scores = chosen_boxes(
            candidates.scores[index].numpy(), whole[index].numpy(), central, head.box_rule, AREA, SHOWN
        )
        np.testing.assert_array_equal(classes, one.classes.numpy())
        np.testing.assert_allclose(scores, one.scores.numpy(), rtol=1e-6)
        np.testing.assert_allclose(boxes, one.boxes.numpy(), rtol=1e-5, atol=1e-4)


def test_suppression_keeps_the_boxes_that_the_heads_keep():
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(300, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + torch.rand(300, 2, generator=generator) * 25], 1)
    boxes[5:9, 2:] = boxes[5:9, :2]  # without an area
    scores = torch.rand(300, generator=generator)
    classes = torch.randint(0, 3, (300,), generator=generator)
    for overlap in (0.3, 0.6):
        kept, _ = suppress_by_class(boxes, scores, classes, Suppression(overlap))
        arrays = boxes.numpy(), scores.numpy(), classes.numpy()
        found = suppressed_by_class(*arrays, overlap)
        assert 50 < len(found) < 300
        np.testing.assert_array_equal(found, kept.numpy())
        np.testing.assert_array_equal(suppressed_by_class(*arrays, overlap, 20), kept[:20].numpy())
    np.testing.assert_array_equal(suppressed_by_class(*arrays, None), scores.argsort(descending=True).numpy())
    assert not len(suppressed_by_class(np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, int), 0.5))
