"""ATSS, GFL and Sparse R-CNN as heads: what the recorded numbers, which give each part its inputs, do not show."""

import pytest
import torch

from vit_adapter.config import ATSSConfig, GFLConfig, SparseRCNNConfig
from vit_adapter.heads import Objects, Targets, build_head
from vit_adapter.heads.detection.dense_detector import DenseDetector
from vit_adapter.heads.detection.suppression import Suppression, suppress_by_class

CONFIGS = [
    ATSSConfig(channels=16, convolutions=1),
    GFLConfig(channels=16, convolutions=1),
    SparseRCNNConfig(channels=16, proposals=6, stages=2, heads=2, feedforward=16, dynamic_channels=4),
]
KINDS = [config.kind for config in CONFIGS]
AREA = (96, 160)  # 3 rows at stride 32: the levels beyond it have sides that are rounded up


def pyramid(requires_grad: bool = False) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(AREA[0] // stride, AREA[1] // stride) for stride in (4, 8, 16, 32)]
    return [torch.randn(2, 8, *size, generator=generator).requires_grad_(requires_grad) for size in sizes]


def targets(boxes: list[list[list[float]]]) -> Targets:
    objects = [
        Objects(torch.arange(len(image)) % 3, torch.tensor(image).reshape(-1, 4).float()) for image in boxes
    ]
    return Targets(None, 255, AREA, objects)


BOXES = [[[8.0, 8.0, 60.0, 50.0], [70.0, 20.0, 140.0, 90.0]], [[30.0, 30.0, 44.0, 47.0]]]


@pytest.mark.parametrize("config", CONFIGS, ids=KINDS)
def test_boxes_that_are_found_lie_in_the_area(config):
    head = build_head(config, [8] * 4, 3).eval()
    area = (90, 150)
    for found in head.find(pyramid(), area):
        limits = torch.tensor([area[1], area[0]] * 2)
        assert ((found.boxes >= 0) & (found.boxes <= limits)).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert found.scores.diff().le(0).all()


@pytest.mark.parametrize("config", CONFIGS, ids=KINDS)
def test_the_count_is_what_the_loss_is_divided_by(config):
    """So the mean over the passes of a step gives the loss of the joint batch."""
    head = build_head(config, [8] * 4, 3)
    own = head.loss(pyramid(), targets(BOXES))
    given = head.loss(pyramid(), targets(BOXES), head.count(targets(BOXES)))
    assert own.keys() == given.keys()
    for name, value in own.items():
        torch.testing.assert_close(given[name], value)
    name = next(name for name in own if name.endswith("loss_cls"))
    half = head.loss(pyramid(), targets(BOXES), 2 * head.count(targets(BOXES)))
    torch.testing.assert_close(half[name], own[name] / 2)


@pytest.mark.parametrize("config", CONFIGS, ids=KINDS)
def test_images_without_objects_teach_and_every_loss_stays_finite(config):
    head = build_head(config, [8] * 4, 3)
    maps = pyramid(requires_grad=True)
    losses = head.loss(maps, targets([[], []]))
    assert all(value.isfinite() for value in losses.values())
    torch.stack([value for name, value in losses.items() if "loss" in name]).sum().backward()
    assert maps[-1].grad is not None
    assert maps[-1].grad.isfinite().all()


def test_level_sizes_are_those_of_the_neck():
    head = build_head(CONFIGS[0], [8] * 4, 3)
    assert isinstance(head, DenseDetector)
    levels = head.neck(pyramid())
    assert head.dense.level_sizes(AREA) == [tuple(level.shape[2:]) for level in levels]


def test_a_crowd_takes_no_part():
    head = build_head(CONFIGS[0], [8] * 4, 3)
    marked = targets(BOXES)
    assert marked.objects is not None
    objects = [
        Objects(one.classes, one.boxes, None, torch.arange(len(one)) == len(one) - 1)
        for one in marked.objects
    ]
    without = targets([BOXES[0][:1], []])
    with_crowds = head.loss(pyramid(), Targets(None, 255, AREA, objects))
    for name, value in head.loss(pyramid(), without).items():
        torch.testing.assert_close(with_crowds[name], value)


def test_suppression_by_class_is_that_of_every_class_by_itself():
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(60, 2, generator=generator) * 40
    boxes = torch.cat([corner, corner + 5 + torch.rand(60, 2, generator=generator) * 20], 1)
    scores = torch.rand(60, generator=generator)
    classes = torch.randint(0, 3, (60,), generator=generator)
    kept, kept_scores = suppress_by_class(boxes, scores, classes, Suppression(0.5))
    alone = []
    for one in range(3):
        own = (classes == one).nonzero()[:, 0]
        alone += own[suppress_by_class(boxes[own], scores[own], classes[own], Suppression(0.5))[0]].tolist()
    assert sorted(kept.tolist()) == sorted(alone)
    torch.testing.assert_close(kept_scores, scores[kept])
    assert kept_scores.diff().le(0).all()
