"""Areas 02, 03, 04 and 09: the backbones and their parts, by the official class that made a record."""

from collections.abc import Callable
from pathlib import Path

import torch

from .adapter_parts import run_extractor, run_injector, run_interaction, run_spatial_prior
from .areas import Runner
from .building import build_backbone
from .case import Case
from .initial_values import check_settings, check_statistics
from .running import numbered, run_module

PARTS: dict[str, Callable[[Case], None]] = {
    "SpatialPriorModule": run_spatial_prior,
    "Injector": run_injector,
    "Extractor": run_extractor,
    "InteractionBlock": run_interaction,
    "InteractionBlockWithCls": run_interaction,
}


def run(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """One record."""
    case = Case(path, dtype)
    official = case.spec["official"]
    if official in PARTS:
        PARTS[official](case)
        return
    backbone = build_backbone(case.config, official)
    if "stats" in case.outputs:
        check_statistics(case, backbone, "backbone")
    elif "drop_path" in case.outputs:
        check_settings(case, backbone)
    else:
        run_module(case, backbone, "backbone", lambda: numbered("features", backbone(case.inputs["image"])))


RUNNERS: dict[str, Runner] = {"": run}
