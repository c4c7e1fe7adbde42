"""Official names of a case's weights, and ours, through the mapping that loads real checkpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vit_adapter.weights.official import DERIVED, square_grid
from vit_adapter.weights.official import our_name as our_name_in_model
from vit_adapter.weights.resample import class_rows, relative_position_index

# part -> (beginning of its official keys in a whole model, beginning of ours)
PARTS = {
    "segmenter": ("", ""),
    "backbone": ("backbone.", "backbone."),
    "spatial_prior": ("backbone.spm.", "backbone.spatial_prior."),
    "interaction": ("backbone.interactions.0.", "backbone.interactions.0."),
    "injector": ("backbone.interactions.0.injector.", "backbone.interactions.0.injector."),
    "extractor": ("backbone.interactions.0.extractor.", "backbone.interactions.0.extractor."),
    "attention": ("backbone.interactions.0.injector.attn.", "backbone.interactions.0.injector.attention."),
    "head": ("decode_head.", "head."),
    "proposal_head": ("rpn_head.", "head.proposals."),
    "box_head": ("roi_head.bbox_head.", "head.box_head."),
    "mask_head": ("roi_head.mask_head.", "head.mask_head."),
    "semantic_head": ("roi_head.semantic_head.", "head.semantic_head."),
    "neck": ("neck.", "head.neck."),
    "extra_attention": ("neck.0.", "head.neck.0."),
    "pixel_decoder": ("decode_head.pixel_decoder.", "head.pixel_decoder."),
    "pooling": ("decode_head.psp_modules.", "head.pooling.branches."),
    "dense_head": ("bbox_head.", "head.dense."),
    "learned_proposals": ("rpn_head.", "head.proposals."),
    "sparse_stages": ("roi_head.bbox_head.", "head.refinement.stages."),
    "sparse_stage": ("roi_head.bbox_head.0.", "head.refinement.stages.0."),
    "dynamic_convolution": (
        "roi_head.bbox_head.0.instance_interactive_conv.",
        "head.refinement.stages.0.interaction.",
    ),
    "auxiliary_head": ("auxiliary_head.", "auxiliary_head."),
}


def our_name(official: str, part: str) -> str:
    """Our key, inside the part, of an official key inside the part."""
    theirs, ours = PARTS[part]
    name = our_name_in_model(theirs + official)
    assert name.startswith(ours), f"{theirs + official} becomes {name}, expected to lie in {ours}"
    return name.removeprefix(ours)


def our_names(official: Iterable[str], part: str) -> dict[str, str]:
    """Official key to our key; derived buffers are left out.

    Raises:
        AssertionError: Two official keys become one.
    """
    names = {name: our_name(name, part) for name in official if not _is_derived(name)}
    assert len(set(names.values())) == len(names), "two official keys have one name"
    return names


def load_official(module: nn.Module, weights: Mapping[str, Tensor], part: str) -> dict[str, str]:
    """Loads official weights into our module; every key must be used and every key of ours be given.

    Index buffers among the weights are compared with those for our grid, since loading would hide a wrong one.

    Returns:
        Official key to our key.
    """
    for name in filter(_is_derived, weights):
        backbone: Any = getattr(module, "backbone", module)
        rows = weights[name.removesuffix(DERIVED) + "relative_position_bias_table"].shape[0]
        grid = backbone.wrapper.grid if class_rows(rows) else square_grid(rows)
        expected = relative_position_index(grid, class_token=class_rows(rows) > 0)
        assert torch.equal(weights[name], expected), name
    names = our_names(weights, part)
    module.load_state_dict({ours: weights[name] for name, ours in names.items()}, strict=True)
    return names


def _is_derived(name: str) -> bool:
    return name.rpartition(".")[2] == DERIVED
