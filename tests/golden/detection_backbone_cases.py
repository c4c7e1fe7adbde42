"""Area 30: backbones where detection differs from segmentation, and necks."""

from pathlib import Path

import torch

from .areas import Runner
from .building import build_backbone
from .case import Case
from .neck_building import build_neck
from .running import numbered, run_module

NECKS = {"FPN": "neck", "ChannelMapperWithPooling": "neck", "ExtraAttention": "extra_attention"}


def run(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """One record."""
    case = Case(path, dtype)
    official = case.spec["official"]
    if official in NECKS:
        neck = build_neck(case.config)
        maps = case.input_list("features")
        run_module(case, neck, NECKS[official], lambda: numbered("out", neck(maps)))
        return
    backbone = build_backbone(case.config, official, detection=True)
    run_module(case, backbone, "backbone", lambda: numbered("features", backbone(case.inputs["image"])))


RUNNERS: dict[str, Runner] = {"": run}
