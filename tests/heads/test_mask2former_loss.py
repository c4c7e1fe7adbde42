"""Matching and losses: borders, precision, sums over batches and processes."""

import dataclasses
import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from mask2former_parts import (
    POINTS,
    fixed_points,
    label_map,
    pyramid,
    random_predictions,
    targets_for,
    tiny_head,
)
from torch.utils._python_dispatch import TorchDispatchMode

from vit_adapter.config import InputError
from vit_adapter.heads import Targets
from vit_adapter.heads.mask2former import (
    CostWeights,
    LossSettings,
    Mask2FormerLoss,
    NotFiniteCosts,
    Predictions,
)
from vit_adapter.heads.mask2former.matching import MATCHING, weighted_costs
from vit_adapter.heads.mask2former.points import sample_points, uncertain_points
from vit_adapter.heads.mask2former.targets import target_of, targets_of
from vit_adapter.ops import forms


def criterion_with_fixed_points() -> Mask2FormerLoss:
    criterion = Mask2FormerLoss(LossSettings(points=POINTS))
    criterion.draw = fixed_points
    return criterion


def images(predictions: Predictions, which: slice, requires_grad: bool = False) -> Predictions:
    """Some images of a batch, as leaves of a graph of their own."""
    parts = Predictions(
        [level[which].clone() for level in predictions.classes],
        [level[which].clone() for level in predictions.masks],
    )
    if requires_grad:
        for level in parts.classes + parts.masks:
            level.requires_grad_()
    return parts


def mask_parts(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([value for name, value in losses.items() if "loss_cls" not in name]).sum()


def test_targets_are_one_mask_a_class_without_the_ignored_pixels():
    labels = torch.tensor([[4, 4, 255], [1, 255, 4]])
    target = target_of(labels, 255)
    assert target.classes.tolist() == [1, 4]
    assert target.masks.tolist() == [[[0, 0, 0], [1, 0, 0]], [[1, 1, 0], [0, 0, 1]]]
    assert target_of(torch.full((2, 3), 255), 255).masks.shape == (0, 2, 3)


def test_another_ignored_label_makes_255_a_class():
    labels = torch.tensor([[255, 65535]])
    assert targets_of(labels[None], 300, 65535)[0].classes.tolist() == [255]


@pytest.mark.parametrize("value", [5, 254, -1])
def test_a_label_outside_the_classes_is_named(value):
    labels = label_map([0, 1])[None]
    labels[0, 3, 3] = value
    with pytest.raises(InputError, match=rf"value {value}, expected 0..4 or 255"):
        tiny_head().loss(pyramid(1), targets_for(labels))


@pytest.mark.parametrize("shape", [(1, 64, 96), (2, 64, 64), (2, 60, 96)])
def test_labels_of_another_size_or_number_are_refused(shape):
    with pytest.raises(InputError, match="does not fit"):
        tiny_head().loss(pyramid(2), targets_for(torch.zeros(shape, dtype=torch.int64)))


def test_nothing_but_ignored_pixels_costs_no_mask():
    head = tiny_head()
    asked = []

    def draw(sets, points, like):
        asked.append((sets, points))
        return fixed_points(sets, points, like)

    head.criterion.draw = draw
    predictions = head.predictions(pyramid())
    losses = head.criterion(predictions, targets_of(torch.full((2, 64, 96), 255), 5, 255))
    for name, value in losses.items():
        assert (value == 0) == ("cls" not in name), name
    # All queries are "no object", each with the same weight.
    expected = -2 * predictions.classes[-1].log_softmax(-1)[..., -1].mean()
    torch.testing.assert_close(losses["loss_cls"], expected)
    # Points are drawn for matching alone, once an image and set.
    assert asked == [(1, POINTS)] * 8
    mask_parts(losses).backward()
    gradients = [p.grad for p in head.transformer_decoder.mask_embedding.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_more_masks_than_queries_drops_the_rest():
    labels = torch.arange(9).repeat_interleave(10).expand(64, 90)[None]
    head = tiny_head(num_classes=9)
    assert head.count(targets_for(labels)) == 7
    losses = head.loss(pyramid(1, 64, 96), Targets(labels, 255, (64, 96)))
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.slow
def test_one_class_is_learnt_with_its_outside():
    """S10: the road and nothing there, from masks of 0 and 255."""
    head = tiny_head(num_classes=1)
    labels = torch.full((1, 64, 96), 255)
    labels[:, 32:, :48] = 0
    maps = pyramid(1)
    for level in maps:
        h, w = level.shape[-2:]
        level[:, 0] = -2.0
        level[:, 0, h // 2 :, : w // 2] = 2.0
    assert targets_of(labels, 1, 255)[0].masks.sum() == 32 * 48
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    first = None
    for _ in range(40):
        total = torch.stack(list(head.loss(maps, targets_for(labels)).values())).sum()
        first = first or total.item()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert first > 0
    assert total.item() < first / 2
    with torch.no_grad():
        scores = head(maps)
    assert scores.shape == (1, 1, 16, 24)
    assert scores[0, 0, 9:, :11].min() > 0.5
    outside = scores[0, 0].clone()
    outside[7:, :13] = 0
    assert outside.max() < 0.5


def test_gradient_accumulation_equals_the_large_batch():
    """S41: one mask in one image, five in the other."""
    predictions = random_predictions(2, sets=3)
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1, 2, 3, 4])]), 5, 255)
    criterion = criterion_with_fixed_points()
    joint = images(predictions, slice(None), requires_grad=True)
    mask_parts(criterion(joint, targets)).backward()
    for index in range(2):
        alone = images(predictions, slice(index, index + 1), requires_grad=True)
        # Mean of two passes, each divided by the masks of an average pass.
        (mask_parts(criterion(alone, targets[index : index + 1], num_masks=3.0)) / 2).backward()
        for ours, theirs in zip(alone.masks, joint.masks, strict=True):
            assert theirs.grad is not None
            torch.testing.assert_close(ours.grad, theirs.grad[index : index + 1], rtol=1e-5, atol=1e-9)


def test_without_the_joint_count_accumulation_differs():
    """The reason for ``num_masks``: it is not the same by itself."""
    predictions = random_predictions(2)
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1, 2, 3, 4])]), 5, 255)
    criterion = criterion_with_fixed_points()
    joint = mask_parts(criterion(predictions, targets))
    parts = [
        mask_parts(criterion(images(predictions, slice(i, i + 1)), targets[i : i + 1])) for i in range(2)
    ]
    assert abs(float(joint) - float(sum(parts)) / 2) > 1e-2 * float(joint)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("part", "cost"), [("classes", "class"), ("masks", "mask")])
def test_costs_that_are_not_finite_are_named(value, part, cost):
    """S42: no traceback of the assignment, and no replacement by 0."""
    predictions = random_predictions(2, sets=2)
    getattr(predictions, part)[1][1, 4] = value
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1])]), 5, 255)
    with pytest.raises(NotFiniteCosts) as error:
        criterion_with_fixed_points()(predictions, targets)
    message = str(error.value)
    assert "prediction set 1, image 1" in message
    assert f"the {cost} cost of query 4" in message
    assert "\n" not in message


def test_trouble_in_another_process_stops_this_one_too():
    criterion = criterion_with_fixed_points()
    criterion.average = lambda values: (values + values.new_tensor([3.0, 1.0])) / 2
    with pytest.raises(NotFiniteCosts, match="another process"):
        criterion(random_predictions(1), targets_of(label_map([1])[None], 5, 255))


@pytest.mark.parametrize("scale", [10.0, 1e4])
def test_half_precision_costs_and_losses_are_close_to_double(scale):
    """S43: 70,000 points that are all inside."""
    count = 70_000
    logits = torch.full((2, count), scale)
    logits[1, ::2] *= -1
    classes = torch.tensor([[2.0, -1.0, 0.5], [-1.0, 2.0, 0.5]])
    masks = torch.ones(2, count)
    settings = (torch.tensor([0, 1]), masks, CostWeights())
    exact = weighted_costs(classes.double(), logits.double(), *settings)
    with torch.autocast("cpu", torch.float16):
        half = weighted_costs(classes.half(), logits.half(), *settings)
    for name, cost in half.items():
        assert cost.isfinite().all(), name
        torch.testing.assert_close(cost.double(), exact[name], rtol=3e-3, atol=3e-3)

    criterion = Mask2FormerLoss(LossSettings(points=count))
    criterion.draw = fixed_points
    maps = torch.full((1, 2, 16, 24), scale)
    maps[0, 1] *= -1
    targets = targets_of(torch.zeros(1, 64, 96, dtype=torch.int64), 2, 255)
    losses = criterion(Predictions([classes[None].double()], [maps.double()]), targets)
    with torch.autocast("cpu", torch.float16):
        rounded = criterion(Predictions([classes[None].half()], [maps.half()]), targets)
    for name, value in rounded.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), losses[name], rtol=3e-3, atol=3e-3)


@pytest.mark.parametrize("masks", [[[3], [0, 1, 2, 3, 4]], [[0, 1], []], [[0, 1, 2, 3, 4]] * 2])
def test_matching_in_a_batch_is_matching_one_by_one(masks):
    """Also where an image shows nothing, or more than there are queries (3 here)."""
    queries = 3 if len(masks[1]) == 5 and len(masks[0]) == 5 else 7
    predictions = random_predictions(2, queries, sets=3)
    maps = [label_map(classes) if classes else torch.full((64, 96), 255) for classes in masks]
    targets = targets_of(torch.stack(maps), 5, 255)
    results = []
    for form in MATCHING.forms:
        criterion = Mask2FormerLoss(LossSettings(points=POINTS))
        torch.manual_seed(0)  # the same points are asked for in the same order
        leaves = images(predictions, slice(None), requires_grad=True)
        with forms(mask_matching=form):
            losses = criterion(leaves, targets)
        torch.stack(list(losses.values())).sum().backward()
        results.append([losses, [level.grad for level in leaves.classes + leaves.masks]])
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-7)


def test_the_host_waits_for_the_device_once(monkeypatch):
    """One copy to the host a step, whatever the number of sets and images, and no number is asked for beside it."""
    predictions = images(random_predictions(2, sets=4), slice(None), requires_grad=True)
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1, 2])]), 5, 255)
    criterion = Mask2FormerLoss(LossSettings(points=POINTS))
    copies, waits, on_host = [], [], [False]
    copy, matching = torch.Tensor.cpu, criterion._match

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function.name()
            if not on_host[0] and name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::_unique2"):
                waits.append(name)
            return function(*args, **(kwargs or {}))

    def copied(tensor, *args, **kwargs):
        if not on_host[0]:
            copies.append(tensor.shape)
        on_host[0] = True
        return copy(tensor, *args, **kwargs)

    def matched(*inputs):
        try:
            return matching(*inputs)
        finally:
            on_host[0] = False

    monkeypatch.setattr(torch.Tensor, "cpu", copied)
    criterion._match = matched
    with Watch():
        torch.stack(list(criterion(predictions, targets).values())).sum().backward()
    assert waits == []
    assert copies == [(2 + 4 * 7 * 3 * (1 + 3),)], "number of masks, trouble, and three costs of all sets"


def test_class_weights_change_the_class_loss_alone():
    predictions, targets = random_predictions(1), targets_of(label_map([1, 2])[None], 5, 255)
    plain = criterion_with_fixed_points()
    weighted = criterion_with_fixed_points()
    weighted.settings = dataclasses.replace(plain.settings, class_weights=(1.0, 9.0, 1.0, 1.0, 1.0))
    before, after = plain(predictions, targets), weighted(predictions, targets)
    for name in before:
        assert torch.equal(before[name], after[name]) == ("cls" not in name)


def test_points_fade_at_the_border():
    inside = torch.ones(1, 1, 4, 4)
    points = torch.tensor([[[0.5, 0.5], [0.0, 0.5], [0.0, 0.0], [1.2, 0.5]]])
    assert sample_points(inside, points).tolist() == [[[1.0, 0.5, 0.25, 0.0]]]


def test_uncertain_points_are_the_least_certain_candidates():
    logits = torch.linspace(-8, 8, 32).expand(1, 32, 32)  # 0 in the middle, from left to right
    points = uncertain_points(logits, 64, 3.0, 0.75, fixed_points)
    assert points.shape == (1, 64, 2)
    certainty = sample_points(logits[None], points)[0, 0, :48].abs()
    candidates = sample_points(logits[None], fixed_points(1, 192, logits))[0, 0].abs()
    assert torch.equal(certainty, candidates.sort().values[:48]), "the least certain first"
    away_from_the_border = (points[0, :48, 1] - 0.5).abs() < 0.48
    assert (points[0, :48, 0] - 0.5).abs()[away_from_the_border].max() < 0.15
    assert torch.equal(points[:, 48:], fixed_points(1, 16, logits)), "the rest is drawn afresh"


@pytest.mark.slow
def test_two_processes_equal_the_joint_batch(tmp_path):
    """S53: one mask in one process, five in the other; the class loss is each process's own."""
    predictions = random_predictions(2)
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1, 2, 3, 4])]), 5, 255)
    criterion = criterion_with_fixed_points()
    joint = images(predictions, slice(None), requires_grad=True)
    losses = criterion(joint, targets)
    mask_parts(losses).backward()
    multiprocessing.spawn(_one_of_two, args=(str(tmp_path),), nprocs=2)  # pyright: ignore
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name in ("loss_mask", "loss_dice"):
        # DistributedDataParallel averages gradients; the losses average alike.
        mean = (parts[0]["losses"][name] + parts[1]["losses"][name]) / 2
        torch.testing.assert_close(mean, losses[name].detach(), rtol=1e-5, atol=1e-7)
    for rank, part in enumerate(parts):
        alone = criterion(images(predictions, slice(rank, rank + 1)), targets[rank : rank + 1])
        torch.testing.assert_close(part["losses"]["loss_cls"], alone["loss_cls"])
        for ours, theirs in zip(part["gradients"], joint.masks, strict=True):
            assert theirs.grad is not None
            torch.testing.assert_close(ours / 2, theirs.grad[rank : rank + 1], rtol=1e-5, atol=1e-8)


def _one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    targets = targets_of(torch.stack([label_map([3]), label_map([0, 1, 2, 3, 4])]), 5, 255)
    own = images(random_predictions(2), slice(rank, rank + 1), requires_grad=True)
    losses = criterion_with_fixed_points()(own, targets[rank : rank + 1])
    mask_parts(losses).backward()
    state = {
        "losses": {name: value.detach() for name, value in losses.items()},
        "gradients": [level.grad for level in own.masks],
    }
    torch.save(state, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
