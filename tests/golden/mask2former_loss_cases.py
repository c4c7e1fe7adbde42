"""Records of areas 23 and 24: matching, points and losses of the Mask2Former head."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vit_adapter.heads.mask2former import Mask2FormerLoss, Predictions
from vit_adapter.heads.mask2former.loss_terms import dice_loss, point_cross_entropy, weighted_class_loss
from vit_adapter.heads.mask2former.matching import assign, match, weighted_costs
from vit_adapter.heads.mask2former.points import sample_points, uncertain_points
from vit_adapter.heads.mask2former.targets import Target

from .case import Case
from .comparison import check_gradients, check_outputs
from .mask2former_building import build_mask2former, cost_weights, loss_settings
from .mask2former_running import RecordedLoss, RecordedPoints, check_case, recorded_targets
from .names import load_official


def run_costs(path: Path) -> None:
    """Costs with their weights, and the assignment."""
    case = Case(path)
    inputs = case.inputs
    classes = inputs["gt_labels"]
    queries = len(inputs["cls_pred"])
    ours: dict[str, Tensor] = {}
    rows = columns = classes[:0]
    if len(classes):
        costs = weighted_costs(
            inputs["cls_pred"],
            inputs["mask_pred_points"],
            classes,
            inputs["gt_mask_points"],
            cost_weights(case.config),
        )
        rows, columns = assign(costs)
        ours = {"cls_cost": costs["class"], "mask_cost": costs["mask"], "dice_cost": costs["dice"]}
        ours |= {"total_cost": sum(costs.values()), "row_inds": rows, "col_inds": columns}  # pyright: ignore
    ours["gt_inds"] = torch.zeros(queries, dtype=torch.int64).index_put((rows,), columns + 1)
    ours["labels"] = torch.full((queries,), -1).index_put((rows,), classes[columns])
    check_outputs(case, ours)


def run_points(path: Path) -> None:
    """Uncertain and fresh points, and what is read there."""
    case = Case(path)
    logits, draw = case.inputs["mask_logits"], RecordedPoints(case.draws)
    config = case.config
    points = uncertain_points(
        logits[:, 0],
        config["num_points"],
        config["oversample_ratio"],
        config["importance_sample_ratio"],
        draw,
    )
    assert not draw.left
    candidates = sample_points(logits, case.draws[0])
    ours = {
        "point_coords": points,
        "rand0_logits": candidates,
        "rand0_uncertainty": -candidates.abs(),
        "sampled_logits": sample_points(logits, points),
        "edge_logits": sample_points(logits, case.inputs["edge_coords"]),
    }
    check_outputs(case, ours)


def run_target(path: Path) -> None:
    """The matching of one image as labels and masks of its queries."""
    case = Case(path)
    inputs, draw = case.inputs, RecordedPoints(case.draws)
    target = Target(inputs["gt_labels"], inputs["gt_masks"].bool())
    training = case.config["train_cfg"]
    queries, chosen = match(
        inputs["cls_score"],
        inputs["mask_pred"],
        target,
        cost_weights(training["assigner"]),
        training["num_points"],
        draw,
    )
    assert not draw.left
    labels = torch.full((case.config["num_queries"],), case.config["num_classes"])
    labels[queries] = target.classes[chosen]
    matched = torch.zeros(len(labels), dtype=torch.bool)
    matched[queries] = True
    ours = {
        "labels": labels,
        "label_weights": torch.ones_like(labels),  # all the same, so ours has none
        "mask_weights": matched.double(),
        "mask_targets": target.masks[chosen].to(case.outputs["mask_targets"].dtype),
        "pos_inds": queries,
        "neg_inds": (~matched).nonzero()[:, 0],
    }
    check_outputs(case, ours)


def run_loss(path: Path) -> None:
    """All losses of given predictions."""
    case = Case(path)
    case.require_input_gradients()
    criterion = Mask2FormerLoss(loss_settings(case.config))
    assignments = RecordedLoss(case, criterion)
    predictions = Predictions(case.input_list("cls"), case.input_list("mask"))
    losses = criterion(predictions, recorded_targets(case))
    outputs = losses | {"total": torch.stack(list(losses.values())).sum()}
    assert {name for name in case.outputs if "loss" in name} == set(losses)
    outputs |= assignments.by_name(len(predictions.classes))
    check_case(case, criterion, {}, outputs, "total")


def run_head_loss(path: Path) -> None:
    """All losses of a head, from features."""
    case = Case(path)
    module = build_mask2former(case.config)
    names = load_official(module, case.weights, "head")
    module.to(case.dtype).train(case.training)
    case.require_input_gradients()
    assignments = RecordedLoss(case, module.criterion)
    predictions = module.predictions(case.input_list("feats"))
    losses = module.criterion(predictions, recorded_targets(case))
    outputs = losses | {"total": torch.stack(list(losses.values())).sum()}
    outputs |= assignments.by_name(len(predictions.classes))
    check_case(case, module, names, outputs, "total")


def run_units(path: Path) -> None:
    """The single terms, with other weights and divisors than the head's; each has its own gradient."""
    case = Case(path)
    config = case.config
    logits, labels = case.inputs["cls"].requires_grad_(), case.inputs["labels"]
    points, masks = case.inputs["mask_points"].requires_grad_(), case.inputs["mask_targets"]
    rows, weights = len(points), logits.new_tensor(config["ce_config"]["class_weight"])
    class_sum, weight_sum = weighted_class_loss(logits, labels, weights)
    entropy, dice = point_cross_entropy(points, masks), dice_loss(points, masks)
    ours = {
        "ce_config": config["ce_config"]["loss_weight"] * class_sum / weight_sum,
        "ce_no_avg_factor": config["ce_no_avg_factor"]["loss_weight"] * class_sum / rows,
        "bce_flat_avg_factor": 5 * entropy.sum() / config["bce_flat_avg_factor"]["avg_factor"],
        "bce_flat_mean": 5 * entropy.mean(),
        "dice_config": 5 * dice.mean(),
        "dice_squared": dice_loss(points, masks, 1e-3, squared=True).mean(),
        "dice_naive_default_eps": dice_loss(points, masks, 1e-3).mean(),
        "dice_none": dice,
        "dice_avg_factor": 5 * dice.sum() / config["dice_avg_factor"]["avg_factor"],
        "dice_weighted": 5 * (case.inputs["mask_weights"] * dice).mean(),
    }
    check_outputs(case, ours)
    gradients = {
        name: torch.autograd.grad(
            ours[name].sum(), logits if name.startswith("ce_") else points, retain_graph=True
        )[0]
        for name in case.grad_inputs
    }
    check_gradients(case, {}, gradients)


RUNNERS: dict[str, Callable[[Path], None]] = {
    "23_m2f_matching__costs": run_costs,
    "23_m2f_matching__points": run_points,
    "23_m2f_matching__target": run_target,
    "24_m2f_losses__": run_loss,
    "24_m2f_losses__head_train": run_head_loss,
    "24_m2f_losses__units": run_units,
}
