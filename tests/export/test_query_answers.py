"""What queries say, in numpy, beside the same with tensors."""

import numpy as np
import pytest
import torch

from vit_adapter.annotations import RunLengths
from vit_adapter.config import ObjectConfig
from vit_adapter.export.query_answers import chosen_instances, chosen_segments, class_sums
from vit_adapter.heads.mask2former.head import class_sums as class_sums_of_tensors
from vit_adapter.heads.resize import resize_maps
from vit_adapter.tasks.queries import find_instances, find_segments
from vit_adapter.tasks.window_walk import MaskSizes

QUERIES, CLASSES = 24, 5
THINGS = np.array([True, False, True, False, True])
SIZES = [
    MaskSizes((64, 96), (64, 96)),
    MaskSizes((64, 96), (50, 70)),
    MaskSizes((64, 96), (64, 90), (41, 133)),
]


def answers(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Class logits, and mask logits that are smooth as those of a trained head."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randn(QUERIES, CLASSES + 1, generator=generator) * 3
    coarse = torch.randn(1, QUERIES, 4, 6, generator=generator) * 6
    return classes, torch.nn.functional.interpolate(coarse, size=(16, 24), mode="bicubic")[0]


@pytest.mark.parametrize("masks_first", [False, True])
def test_scores(masks_first):
    classes, masks = answers(0)
    size = (64, 96)
    if masks_first:
        expected = class_sums_of_tensors(classes[None], resize_maps(masks[None], size))
    else:
        expected = resize_maps(class_sums_of_tensors(classes[None], masks[None]), size)
    found = class_sums(classes.numpy(), masks.numpy(), size, masks_first)
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-5)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    "settings",
    [
        ObjectConfig(score_threshold=0.0, max_objects=40),
        ObjectConfig(score_threshold=0.4, mask_threshold=0.3, min_area=90),
    ],
)
@pytest.mark.parametrize("chunk", [1 << 25, 1])
def test_instances(sizes, settings, chunk, monkeypatch):
    monkeypatch.setattr("vit_adapter.export.query_answers.CHUNK_BYTES", chunk)
    classes, masks = answers(1)
    expected = find_instances(classes, masks, sizes, THINGS, settings)
    found = chosen_instances(classes.numpy(), masks.numpy(), sizes, THINGS, settings)
    assert len(found) == len(expected) > 3
    np.testing.assert_allclose(
        found.scores, expected.scores, atol=1e-4
    )  # a pixel at the threshold may fall otherwise
    np.testing.assert_array_equal(found.classes, expected.classes)
    for mine, other in zip(found.masks, expected.masks, strict=True):
        assert isinstance(mine, RunLengths)
        assert (mine.mask() != other.mask()).mean() < 1e-3


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    "settings",
    [
        ObjectConfig(segment_threshold=0.3, overlap_threshold=0.2),
        ObjectConfig(segment_threshold=0.5, overlap_threshold=0.4, fill_segments=True, min_area=150),
    ],
)
@pytest.mark.parametrize("chunk", [1 << 25, 1])
def test_segments(sizes, settings, chunk, monkeypatch):
    monkeypatch.setattr("vit_adapter.export.query_answers.CHUNK_BYTES", chunk)
    classes, masks = answers(2)
    expected = find_segments(classes, masks, sizes, THINGS, settings).without_empty(settings.min_area)
    found = chosen_segments(classes.numpy(), masks.numpy(), sizes, THINGS, settings)
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert len(found) >= 2
    assert found.ids.shape == sizes.result
    assert (found.ids != expected.ids).mean() < 1e-3


def test_nothing_sure():
    classes, masks = answers(3)
    classes[:, -1] = 50.0
    settings, sizes = ObjectConfig(), SIZES[1]
    assert len(chosen_instances(classes.numpy(), masks.numpy(), sizes, THINGS, settings)) == 0
    segments = chosen_segments(classes.numpy(), masks.numpy(), sizes, THINGS, settings)
    assert (len(segments), segments.ids.max(), segments.ids.shape) == (0, 0, (50, 70))
