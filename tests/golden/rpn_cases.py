"""Area 32: region proposals."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vit_adapter.heads.detection.proposals import (
    Anchors,
    ProposalHead,
    ProposalLimits,
    ProposalTraining,
)
from vit_adapter.heads.frame import Frame

from .areas import Runner
from .box_cases import build_assigner, build_sampler, build_suppression, recorded_permutations
from .case import Case
from .comparison import check_gradients, check_outputs
from .names import load_official
from .running import numbered

Config = dict[str, Any]


def build_proposal_head(config: Config) -> ProposalHead:
    """Our head for an official one; its losses are in ``proposal_training``."""
    config = dict(config)
    assert config.pop("type") == "RPNHead"
    generator, coder = config.pop("anchor_generator"), config.pop("bbox_coder")
    (scale,) = generator["scales"]
    assert set(generator) == {"type", "scales", "ratios", "strides"}
    assert (coder["target_means"], coder["target_stds"]) == ([0.0] * 4, [1.0] * 4)
    config.pop("loss_bbox")
    assert config.pop("loss_cls") == {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0}
    made = ProposalHead(
        config.pop("in_channels"),
        config.pop("feat_channels"),
        config.pop("num_convs", 1),
        Anchors(tuple(generator["strides"]), scale, tuple(generator["ratios"])),
    )
    assert not config, config
    return made


def proposal_training(config: Config, head: Config) -> ProposalTraining:
    """Our settings for an official ``train_cfg`` and the head's losses."""
    config, loss = dict(config), head["loss_bbox"]
    assert loss["loss_weight"] == 1.0
    assert (config.pop("pos_weight"), config.pop("debug")) == (-1, False)
    border = config.pop("allowed_border")
    made = ProposalTraining(
        build_assigner(config.pop("assigner")),
        build_sampler(config.pop("sampler")),
        None if border < 0 else border,
        {"L1Loss": 0.0, "SmoothL1Loss": loss.get("beta", 1.0)}[loss["type"]],
    )
    assert not config, config
    return made


def proposal_limits(config: Config) -> ProposalLimits:
    """Our limits for official ones."""
    config = dict(config)
    suppression = build_suppression(config.pop("nms"))
    assert suppression is not None
    side = config.pop("min_bbox_size")
    made = ProposalLimits(
        config.pop("nms_pre"), config.pop("max_per_img"), suppression, side if side >= 0 else None
    )
    assert not config, config
    return made


def frames_of(metas: list[Config]) -> list[Frame]:
    """Where the images of a batch lie."""
    return [Frame(tuple(meta["img_shape"][:2]), tuple(meta["pad_shape"][:2])) for meta in metas]


def rows(proposals: tuple[Tensor, Tensor]) -> Tensor:
    """Boxes and scores as recorded: [N, 5]."""
    return torch.cat([proposals[0], proposals[1][:, None]], 1)


def run(path: Path) -> None:
    """One record."""
    case = Case(path)
    config = case.config
    head = build_proposal_head(config["head"])
    names = load_official(head, case.weights, "proposal_head")
    head.to(case.dtype).train(case.training)
    case.require_input_gradients()
    frames = frames_of(config["img_metas"])
    predictions = head(case.input_list("features"))
    limits = proposal_limits(config["test_cfg" if "test_cfg" in config else "proposal_cfg"])
    outputs = numbered("proposals", list(map(rows, head.propose(predictions, frames, limits))))
    if case.spec["official"].endswith("simple_test_rpn"):
        check_outputs(case, outputs)
        return
    training = proposal_training(config["train_cfg"], config["head"])
    # The official code leaves the annotated boxes in the type of the run.
    truths = [case.inputs[f"gt_bboxes.{index}"] for index in range(len(frames))]
    permutation, left = recorded_permutations(case.draws)
    targets = head.targets(
        predictions.sizes, truths, frames, training, permutation, case.input_list("gt_bboxes_ignore") or None
    )
    assert next(left, None) is None, "recorded draws that were not asked for"
    losses = head.losses(predictions, targets, training.box_beta)
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    counts = [height * width * len(head.anchors.ratios) for height, width in predictions.sizes]
    labels = (~targets.objects).to(torch.uint8)
    weights = targets.objects[..., None].to(targets.offsets).expand_as(targets.offsets)
    outputs |= {
        **numbered("cls_score", predictions.scores),
        **numbered("bbox_pred", predictions.offsets),
        **numbered("labels", labels.split(counts, 1)),
        **numbered("label_weights", targets.weights.split(counts, 1)),
        **numbered("bbox_targets", targets.offsets.split(counts, 1)),
        **numbered("bbox_weights", weights.split(counts, 1)),
        **losses,
        "num_total_samples": torch.tensor(targets.count),
        "total": total,
    }
    check_outputs(case, outputs)
    parameters = dict(head.named_parameters())
    check_gradients(
        case,
        {name: parameters[ours].grad for name, ours in names.items()},
        {name: case.inputs[name].grad for name in case.grad_inputs},
    )


RUNNERS: dict[str, Runner] = {"": run}
