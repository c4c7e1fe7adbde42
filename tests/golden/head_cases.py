"""Area 05: UperNet and FCN heads, pyramid pooling, loss, accuracy and the resize, by the official maker."""

import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vit_adapter.heads import PixelLoss, pixel_accuracy, resize_maps
from vit_adapter.heads.uper import PyramidPooling
from vit_adapter.weights.resample import resample_grid

from .areas import Runner
from .building import build_head
from .case import Case
from .comparison import check_outputs
from .initial_values import check_statistics
from .running import numbered, run_module

PARTS = {"UPerHead": "head", "FCNHead": "auxiliary_head"}


def run(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """One record."""
    case = Case(path, dtype)
    official = case.spec["official"]
    if official in PARTS:
        run_head(case, PARTS[official])
    elif official in OTHERS:
        OTHERS[official](case)
    else:
        raise ValueError(f"no runner for {official}")


def run_head(case: Case, part: str) -> None:
    """Logits of a pyramid; or how a head starts."""
    head = build_head(case.config)
    if "stats" in case.outputs:
        check_statistics(case, head, part)
        return
    pyramid = [case.inputs[f"feat{level}"] for level in range(4)]
    run_module(case, head, part, lambda: {"logits": head(pyramid)})


def run_pooling(case: Case) -> None:
    """The pooled branches alone, without the convolution that merges them."""
    config = case.config
    pooling = PyramidPooling(
        config["in_channels"],
        config["channels"],
        config["pool_scales"],
        align_corners=config["align_corners"],
    )
    maps = case.inputs["x"]
    size, corners = (maps.shape[2], maps.shape[3]), config["align_corners"]

    def forward() -> dict[str, Tensor]:
        return numbered("branch", [resize_maps(one, size, corners) for one in pooling.branch_maps(maps)])

    run_module(case, pooling.branches, "pooling", forward)


def run_loss(case: Case) -> None:
    """Loss of logits that are resized to the labels, and accuracy."""
    config = case.config
    assert not config["align_corners"]
    weights = config["class_weight"]
    loss = PixelLoss(None if weights is None else torch.tensor(weights), config["ignore_index"])
    labels = case.inputs["labels"][:, 0]  # [B, H, W]

    def forward() -> dict[str, Tensor]:
        scores = resize_maps(case.inputs["logits"], (labels.shape[1], labels.shape[2]))
        return {
            "loss_ce": config["loss_weight"] * loss(scores, labels)["loss_ce"],
            "acc_seg": pixel_accuracy(scores, labels)[None],
        }

    run_module(case, loss, "head", forward, loss="loss_ce")


def run_resize(case: Case) -> None:
    """Maps and position tables in other sizes; the sizes are in the names."""
    maps = case.inputs["x"]
    height, width = maps.shape[2:]
    # [1, C, h, w] as a table without rows in front, [1, h*w, C]
    table = maps.flatten(2).transpose(1, 2)
    ours = {}
    for name in case.outputs:
        found = re.fullmatch(r"(bilinear_ac([01])|bicubic)_(\d+)x(\d+)", name)
        assert found is not None, name
        size = int(found[3]), int(found[4])
        if found[1] == "bicubic":
            rows = resample_grid(table, (height, width), size)
            ours[name] = rows.transpose(1, 2).reshape(1, -1, *size)
        else:
            ours[name] = resize_maps(maps, size, align_corners=found[2] == "1")
    check_outputs(case, ours)


OTHERS: dict[str, Callable[[Case], None]] = {
    "PPM": run_pooling,
    "BaseDecodeHead.losses": run_loss,
    "mmseg.ops.resize": run_resize,
}
RUNNERS: dict[str, Runner] = {"": run}
