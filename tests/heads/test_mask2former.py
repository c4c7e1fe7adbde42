"""The Mask2Former head: its forward pass, and borders that no recorded case decides."""

import dataclasses

import pytest
import torch
from mask2former_parts import SIZES, WIDTHS, label_map, pyramid, shaken, targets_for, tiny_head

from golden.mask2former_building import feedforward_width
from vit_adapter.config import InputError
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.heads.mask2former.attention_masks import BLOCKED, MaskFeatures
from vit_adapter.heads.mask2former.head import class_sums
from vit_adapter.heads.mask2former.position_code import map_position_code, sine_position_code
from vit_adapter.ops import forms, recorded_forms


def test_scores_are_sums_over_queries_of_class_times_mask_probability():
    # Query 0 is surely class 1 on the left, query 1 half class 0 and half nothing on the right.
    classes = torch.tensor([[[-50.0, 50.0, -50.0], [0.0, -50.0, 0.0]]])
    masks = torch.full((1, 2, 1, 2), -50.0)
    masks[0, 0, 0, 0] = masks[0, 1, 0, 1] = 50.0
    expected = torch.tensor([[[[0.0, 0.5]], [[1.0, 0.0]]]])
    torch.testing.assert_close(class_sums(classes, masks), expected)


@pytest.mark.parametrize("form", BLOCKED.forms)
def test_a_mask_logit_of_exactly_zero_is_open(form):
    logits = torch.tensor([-1.0, -0.0, 0.0, 1.0]).reshape(1, 1, 1, 4)
    with forms(attention_masks=form):
        blocked = BLOCKED(torch.ones(1, 1, 1), MaskFeatures(logits, [(1, 4)]), 0)
    assert blocked.tolist() == [[[True, False, False, False]]]


@torch.no_grad()
def test_predicting_reads_no_more_masks_than_it_needs():
    head, maps = shaken(tiny_head()).eval(), pyramid()
    with recorded_forms() as ran:
        scores = head(maps)
    assert ran["attention_masks"] == {"resized_features": 3}
    with forms(attention_masks="reference"):
        torch.testing.assert_close(head(maps), scores, rtol=1e-5, atol=1e-6)
    everything, last = head.predictions(maps), head.predictions(maps, last_only=True)
    assert (len(everything.masks), len(last.masks), len(last.classes)) == (4, 1, 1)
    torch.testing.assert_close(last.masks[0], everything.masks[-1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last.classes[0], everything.classes[-1], rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(last.attention_masks, everything.attention_masks, strict=True):
        assert torch.equal(ours, theirs)


def test_position_codes_of_one_line_and_one_column_are_those_of_the_map():
    maps = torch.zeros(1, 24, 5, 7)
    nowhere = torch.zeros(1, 5, 7, dtype=torch.bool)
    expected = sine_position_code(nowhere, 12).flatten(2).transpose(1, 2)
    assert torch.equal(map_position_code(maps), expected)


def test_a_query_that_is_blocked_everywhere_looks_everywhere():
    head, maps = tiny_head().eval(), pyramid(1)
    areas = [2 * 3, 4 * 6, 8 * 12]
    closed = [torch.ones(1, 7, area, dtype=torch.bool) for area in areas]
    with torch.no_grad():
        ours = head.predictions(maps, closed)
        opened = head.predictions(maps, [~mask for mask in closed])
    for blocked, unblocked in zip(ours.masks, opened.masks, strict=True):
        assert torch.equal(blocked, unblocked)
    assert torch.isfinite(ours.classes[-1]).all()
    assert all(mask.all() for mask in ours.attention_masks), "kept as they were given"


def test_only_a_blocked_query_differs():
    head, maps = tiny_head().eval(), pyramid(1)
    areas = [2 * 3, 4 * 6, 8 * 12]
    masks = [torch.zeros(1, 7, area, dtype=torch.bool) for area in areas]
    with torch.no_grad():
        before = head.predictions(maps, masks).classes
        masks[0][0, 2, :3] = True
        after = head.predictions(maps, masks).classes
    assert torch.equal(before[0], after[0])
    changed = (before[1] != after[1]).any(-1)[0]
    assert changed[2]
    # Self-attention hands it on to the others, but it starts from the one that was blocked.
    difference = (before[1] - after[1]).abs().amax(-1)[0]
    assert difference.argmax() == 2


def test_the_layers_own_feedforward_width_wins_over_that_of_its_part():
    part = {"feedforward_channels": 10}
    assert feedforward_width({"feedforward_channels": 20, "ffn_cfgs": part}) == 20
    assert feedforward_width({"ffn_cfgs": part}) == 10


def test_every_parameter_gets_a_gradient():
    head = shaken(tiny_head())
    maps = [level.requires_grad_() for level in pyramid()]
    labels = torch.stack([label_map([0, 2, 4]), label_map([1])])
    losses = head.loss(maps, targets_for(labels))
    torch.stack(list(losses.values())).sum().backward()
    for name, parameter in [*head.named_parameters(), *enumerate(maps)]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_checkpointing_changes_no_number():
    results = []
    for checkpointing in (False, True):
        head = tiny_head(config=dataclasses.replace(SIZES, grad_checkpointing=checkpointing))
        scores = head(pyramid())
        scores.square().sum().backward()
        results.append([scores.detach(), *[p.grad for p in head.parameters() if p.grad is not None]])
    for plain, recomputed in zip(*results, strict=True):
        assert torch.equal(plain, recomputed)


def test_training_and_evaluation_give_the_same_numbers():
    head = tiny_head()
    with torch.no_grad():
        assert torch.equal(head.train()(pyramid()), head.eval()(pyramid()))


def test_images_of_a_batch_do_not_meet():
    head = tiny_head().eval()
    maps = pyramid(2)
    with torch.no_grad():
        together = head(maps)
        alone = torch.cat([head([level[i : i + 1] for level in maps]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_any_size_of_map_works():
    maps = [torch.randn(1, c, *size) for c, size in zip(WIDTHS, [(17, 9), (9, 5), (5, 3), (3, 2)])]
    with torch.no_grad():
        assert tiny_head()(maps).shape == (1, 5, 17, 9)


def test_half_precision_stays_close():
    head = tiny_head().eval()
    with torch.no_grad():
        exact = head(pyramid())
        with torch.autocast("cpu", torch.bfloat16):
            half = head(pyramid())
    assert half.dtype == torch.float32
    assert (half - exact).abs().max() < 0.1 * exact.abs().max()


def test_only_weights_are_saved():
    head = tiny_head()
    assert set(head.state_dict()) == {name for name, _ in head.named_parameters()}


@pytest.mark.parametrize(
    ("widths", "changes", "words"),
    [
        (WIDTHS, {"channels": 48}, ["channels=48", "32"]),
        (WIDTHS, {"heads": 5}, ["heads", "5"]),
        (WIDTHS[:3], {}, ["in_channels", "4"]),
    ],
)
def test_sizes_that_do_not_fit_are_named(widths, changes, words):
    with pytest.raises(InputError) as error:
        Mask2FormerHead(widths, 3, dataclasses.replace(SIZES, **changes))
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)
