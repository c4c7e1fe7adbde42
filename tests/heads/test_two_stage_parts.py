"""Parts of the two-stage detectors against plain loops, and how they start."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.config import HTCConfig, MaskRCNNConfig
from vit_adapter.heads.detection.boxes import box_overlaps
from vit_adapter.heads.detection.build_two_stage import build_two_stage
from vit_adapter.heads.detection.conv_block import ConvBlock
from vit_adapter.heads.detection.overlap_assigner import OverlapAssigner
from vit_adapter.heads.detection.soft_suppression import Decay, soft_suppress
from vit_adapter.ops import paste_masks


def boxes_of(seed: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 30
    sides = 2 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 20
    return torch.cat([corners, corners + sides], 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 25), st.sampled_from(["linear", "gaussian", "naive"]))
def test_soft_suppression_is_the_plain_loop(seed, count, method):
    boxes = boxes_of(seed, count)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    decay = Decay(method, 0.5, 0.05)
    kept, kept_scores = soft_suppress(boxes, scores, 0.3, decay)
    left, expected = {index: float(scores[index]) for index in range(count)}, []
    while left:
        best = max(left, key=lambda index: left[index])
        expected.append((best, left.pop(best)))
        for index in list(left):
            overlap = float(box_overlaps(boxes[best : best + 1], boxes[index : index + 1]))
            if method == "gaussian":
                left[index] *= np.exp(-(overlap**2) / 0.5)
            elif overlap >= 0.3:
                left[index] *= 1 - overlap if method == "linear" else 0
            if left[index] < 0.05:
                del left[index]
    assert kept.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(kept_scores.numpy(), [score for _, score in expected], rtol=1e-9)
    first = soft_suppress(boxes, scores, 0.3, decay, count=3)
    assert torch.equal(first[0], kept[:3])


def test_a_full_mask_fills_its_box_and_nothing_outside():
    boxes = torch.tensor([[3.0, 2.0, 9.0, 7.0], [-4.0, -4.0, 3.0, 3.0], [50.0, 50.0, 60.0, 60.0]])
    masks = paste_masks(torch.ones(3, 28, 28), boxes, (10, 12))
    expected = torch.zeros(2, 10, 12, dtype=torch.bool)
    expected[0, 2:7, 3:9] = expected[1, :3, :3] = True
    assert torch.equal(masks[:2], expected)
    assert not masks[2:].any()


def test_every_object_gets_a_box_where_low_overlaps_count():
    boxes, truth = boxes_of(3, 40), boxes_of(4, 6)
    found = OverlapAssigner(0.99, 0.3, 0.0)(boxes, truth, torch.arange(6))
    assert set(found.boxes[found.boxes > 0].tolist()) <= set(range(1, 7))
    # The last object keeps all of its best boxes: nothing comes after it.
    assert (found.boxes == 6).any()
    assert torch.equal(found.classes[found.boxes > 0], found.boxes[found.boxes > 0] - 1)


def test_how_parts_start():
    """Of the published initialisation: bounds of the uniform ones, deviations of the normal ones."""
    torch.manual_seed(0)
    head = build_two_stage(MaskRCNNConfig(channels=64, box_width=128), (48, 48, 48, 48), 20)
    lateral = head.neck.laterals[0].conv.weight
    assert 0.95 * (6 / (48 + 64)) ** 0.5 < float(lateral.detach().abs().max()) <= (6 / (48 + 64)) ** 0.5
    normal = {
        head.proposals.convs.weight: 0.01,
        head.proposals.objectness.weight: 0.01,
        head.box_head.classifier.weight: 0.01,
        head.box_head.box_output.weight: 0.001,
        head.mask_head.convs[0].conv.weight: (2 / (64 * 9)) ** 0.5,
        head.mask_head.upsample.weight: (2 / (64 * 4)) ** 0.5,
        head.mask_head.classifier.weight: (2 / 20) ** 0.5,
    }
    for weight, deviation in normal.items():
        assert abs(float(weight.detach().std()) / deviation - 1) < 0.1, (tuple(weight.shape), deviation)
    layer = head.box_head.layers[0].weight
    assert (
        0.95 * (6 / sum(layer.shape)) ** 0.5
        < float(layer.detach().abs().max())
        <= (6 / sum(layer.shape)) ** 0.5
    )
    biases = [value for name, value in head.named_parameters() if name.endswith("bias")]
    assert not any(bias.any() for bias in biases)


def test_the_first_mask_head_of_a_hybrid_cascade_takes_no_features():
    config = HTCConfig(channels=16, box_width=16, attention_heads=4)
    head = build_two_stage(config, (16, 16, 16, 16), 3)
    assert [stage.previous is not None for stage in head.mask_stages] == [False, True, True]
    assert [part.weight for part in head.settings.regions] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("height", [1, 3])
def test_a_single_column_has_gradients_in_bfloat16(height):
    """The coarsest levels of small images; a convolution with a step of two left weights' gradients undefined."""
    block = ConvBlock(16, 16, 3, activation=False, stride=2)
    maps = torch.randn(2, 16, height, 1)
    expected = torch.autograd.grad(block.conv(maps).square().sum(), block.conv.weight)[0]
    torch.testing.assert_close(block(maps), block.conv(maps))
    for _ in range(10):
        used = [torch.full((count,), float("nan")) for count in (500, 2304, 4608, 9216, 20000)]
        del used  # memory that is taken next
        with torch.autocast("cpu", torch.bfloat16):
            given = block(maps)
        found = torch.autograd.grad(given.float().square().sum(), block.conv.weight)[0]
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))
