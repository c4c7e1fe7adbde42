"""Several views of an image through a whole model: the answers of detectors and their boxes come back to the image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from vit_adapter.config import ATSSConfig, CascadeConfig, ClassTable, InferenceConfig, MaskRCNNConfig
from vit_adapter.heads import JoiningRule, View
from vit_adapter.heads.build import build_head

SIDE = 64
CLASSES = ClassTable(("left hand", "right hand"), (0, 1), None, 255, mirrored=((0, 1),))
HEADS = {
    "mask_rcnn": MaskRCNNConfig(channels=8, box_width=16, anchor_scale=4, least_score=0.0),
    "cascade": CascadeConfig(channels=8, box_width=16, anchor_scale=4, box_norm="none", least_score=0.0),
    "atss": ATSSConfig(channels=8, convolutions=1, anchor_scale=4),
}


@pytest.fixture(params=HEADS)
def head(request):
    torch.manual_seed(0)
    made: Any = build_head(HEADS[request.param], [8] * 4, len(CLASSES), "group").eval()
    if request.param == "atss":
        made.selection = replace(made.selection, least_score=0.0)
    return made


def pyramid(image: torch.Tensor) -> list[torch.Tensor]:
    """Means over cells, in eight channels: what a mirrored image changes, they show mirrored."""
    mixed = torch.stack([image[:, 0] * (k + 1) + image[:, 1] * (3 - k) for k in range(8)], 1)
    return [torch.nn.functional.avg_pool2d(mixed, stride) for stride in (4, 8, 16, 32)]


def view(flip=None, factor=1.0) -> View:
    size = round(SIDE * factor)
    return View((size, size), torch.full((4,), factor), flip)


def found_in(head, image, views, rule=None):
    maps = [pyramid(image.flip(-1) if one.flip else image) for one in views]
    with torch.no_grad():
        return head.find_in_views(iter(maps), views, rule or JoiningRule())


ALL_SIZES = JoiningRule([["s", "m", "l"]])
"""A view by itself: averaged views merge the proposals of all levels, which one view does not."""


def test_one_plain_view_is_what_the_head_finds(head):
    image = torch.randn(1, 2, SIDE, SIDE)
    (alone,) = head.find(pyramid(image), (SIDE, SIDE))
    joined = found_in(head, image, [view()], ALL_SIZES)
    assert len(alone.boxes)
    torch.testing.assert_close(joined.boxes, alone.boxes)
    torch.testing.assert_close(joined.scores, alone.scores)
    assert joined.classes.equal(alone.classes)
    if alone.masks is not None:
        torch.testing.assert_close(joined.masks, alone.masks)


def test_boxes_and_masks_of_a_mirrored_view_come_back_to_the_image(head):
    """A mirrored view alone is the mirror image of what the head says of the mirrored image."""
    image = torch.randn(1, 2, SIDE, SIDE)
    (mirrored,) = head.find(pyramid(image.flip(-1)), (SIDE, SIDE))
    joined = found_in(head, image, [view("horizontal")], ALL_SIZES)
    x1, y1, x2, y2 = mirrored.boxes.unbind(1)
    torch.testing.assert_close(joined.boxes, torch.stack([SIDE - x2, y1, SIDE - x1, y2], 1))
    if mirrored.masks is not None:
        torch.testing.assert_close(joined.masks, mirrored.masks.flip(-1))


def test_left_and_right_change_places_in_a_mirrored_view(head):
    image = torch.randn(1, 2, SIDE, SIDE)
    plain = found_in(head, image, [view("horizontal")])
    named = found_in(head, image, [view("horizontal")], JoiningRule(mirrored=[1, 0]))
    torch.testing.assert_close(named.boxes, plain.boxes)
    assert named.classes.equal(1 - plain.classes)
    if plain.masks is not None:
        torch.testing.assert_close(named.masks, plain.masks)


def test_views_are_believed_for_their_sizes_alone(head):
    image = torch.randn(1, 2, SIDE, SIDE)
    small = found_in(head, image, [view(), view()], JoiningRule([["s"], ["s"]], 50))
    areas = (small.boxes[:, 2:] - small.boxes[:, :2]).prod(1)
    assert 0 < len(areas) <= 50
    assert areas.max() <= 32**2
    none = found_in(head, image, [view(), view()], JoiningRule([["l+"], ["l+"]]))
    assert len(none.boxes) == 0


def test_a_protocol_of_views_goes_through_the_model(head):
    from vit_adapter.segmenter import Segmenter

    class Cells(torch.nn.Module):
        channels, strides = (8, 8, 8, 8), (4, 8, 16, 32)

        def forward(self, images):
            return pyramid(images)

    protocol = InferenceConfig(mode="whole", scales=(0.5, 1.5), flip=True)
    model = Segmenter(Cells(), head, classes=CLASSES, protocol=protocol, task="detection")
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    result = model.predict(image, score_threshold=0.0, task="detection")
    assert len(result.boxes)
    assert (result.boxes >= 0).all()
    assert (result.boxes <= [70, 50, 70, 50]).all()
