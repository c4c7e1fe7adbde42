"""Names of the official ViT-Adapter files, and ours: one table, read in both directions.

Quirks of the official files that published weights depend on:

- ``relative_position_index`` buffers of BEiT follow from the size of the table. They are written when exporting
  and checked and dropped when loading.
- The first row of ``pos_embed`` belongs to a class token that the DeiT and AugReg models do not have. It is
  unused, but it is a parameter, is counted, and decays in training (behaviour 6); it stays.
- The layer scales of DeiT and AugReg models (``gamma1``, ``gamma2``) are in segmentation files, not in the
  pretraining files (behaviour 28).
"""

import itertools
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from vit_adapter.config import InputError
from vit_adapter.weights.resample import class_rows, relative_position_index

from .official_detection import DENSE_HEADS, SPARSE_RCNN
from .official_mask2former import MASK2FORMER
from .official_two_stage import TWO_STAGE

DERIVED = "relative_position_index"
"""Last part of the name of buffers that follow from other entries."""

Rule = tuple[str, str]

# Every rule: (our name, official name). {n} stands for one number, * at the end for any rest. The first that
# fits wins, in both directions.

_ATTENTION: list[Rule] = [
    ("attention.value_projection.*", "attn.value_proj.*"),
    ("attention.output_projection.*", "attn.output_proj.*"),
    ("attention.*", "attn.*"),
]
_READER: list[Rule] = [("query_norm.*", "query_norm.*"), ("value_norm.*", "feat_norm.*"), *_ATTENTION]
_INJECTOR: list[Rule] = [("gamma", "gamma"), *_READER]
_EXTRACTOR: list[Rule] = [
    *_READER,
    ("feedforward.depthwise.*", "ffn.dwconv.dwconv.*"),
    ("feedforward.*", "ffn.*"),
    ("feedforward_norm.*", "ffn_norm.*"),
]
_SPATIAL_PRIOR: list[Rule] = [
    ("stem.*", "stem.*"),
    ("stage8.*", "conv2.*"),
    ("stage16.*", "conv3.*"),
    ("stage32.*", "conv4.*"),
    ("project4.*", "fc1.*"),
    ("project8.*", "fc2.*"),
    ("project16.*", "fc3.*"),
    ("project32.*", "fc4.*"),
]
_CONV_NORM: list[Rule] = [("conv.*", "conv.*"), ("norm.*", "bn.*")]


def below(ours: str, official: str, rules: list[Rule]) -> list[Rule]:
    """Rules for what lies below a part of a model."""
    return [(f"{ours}.{ours_rest}", f"{official}.{official_rest}") for ours_rest, official_rest in rules]


ADAPTER: list[Rule] = [
    ("level_embedding", "level_embed"),
    *below("spatial_prior", "spm", _SPATIAL_PRIOR),
    *below("interactions.{n}.injector", "interactions.{n}.injector", _INJECTOR),
    *below("interactions.{n}.extractor", "interactions.{n}.extractor", _EXTRACTOR),
    *below("interactions.{n}.extra_extractors.{n}", "interactions.{n}.extra_extractors.{n}", _EXTRACTOR),
    ("upsample.*", "up.*"),
    *[(f"norms.{level}.*", f"norm{level + 1}.*") for level in range(4)],
]
"""The adapter around a ViT."""
_BACKBONE: list[Rule] = [
    *ADAPTER,
    # The plain BEiT baseline's own convolutions.
    *[(f"fpn{level}.*", f"fpn{level}.*") for level in (1, 2, 3, 4)],
    # The plain ViT baseline of detection.
    *[(f"resamplers.{level}.*", f"up{level + 1}.*") for level in range(4)],
    ("residuals.{n}.*", "blocks.{n}.residual.*"),
    # The plain ViT: the official backbones are ViTs, ours have one. Its layer scales have timm's names.
    ("vit.blocks.{n}.ls1.gamma", "blocks.{n}.gamma1"),
    ("vit.blocks.{n}.ls2.gamma", "blocks.{n}.gamma2"),
    ("vit.*", "*"),
]
_CONVOLUTIONAL_HEAD: list[Rule] = [
    *below("pooling.branches.{n}", "psp_modules.{n}.1", _CONV_NORM),
    *below("pooling.bottleneck", "bottleneck", _CONV_NORM),
    *below("laterals.{n}", "lateral_convs.{n}", _CONV_NORM),
    *below("outputs.{n}", "fpn_convs.{n}", _CONV_NORM),
    *below("fusion", "fpn_bottleneck", _CONV_NORM),
    *below("convs.{n}", "convs.{n}", _CONV_NORM),
    *below("concatenation", "conv_cat", _CONV_NORM),
    ("classifier.*", "conv_seg.*"),
]

RULES: list[Rule] = [
    *below("backbone", "backbone", _BACKBONE),
    *TWO_STAGE,
    *below("head", "decode_head", _CONVOLUTIONAL_HEAD + MASK2FORMER),
    *below("auxiliary_head", "auxiliary_head", _CONVOLUTIONAL_HEAD),
    *DENSE_HEADS,
    *SPARSE_RCNN,
    ("head.*", "decode_head.*"),
    ("auxiliary_head.*", "auxiliary_head.*"),
]
"""All pairs of our and official names, those of a whole segmentation model."""


PANOPTIC_HEAD = "panoptic_head."
"""Beginning of the head's names in the file of COCO panoptic, where segmentation files have ``decode_head.``."""
AVERAGE = "ema_"
"""Beginning of the names of averaged weights, which that file holds beside the plain ones and nothing reads."""


def translator(pairs: list[Rule]) -> Callable[[str], str | None]:
    """From the first to the second name of a pair of rules; None for a name that fits none of them."""
    compiled = []
    for source, target in pairs:
        pattern = re.escape(source).replace(r"\{n\}", r"(\d+)")
        pattern = pattern[:-2] + r"(.+)" if source.endswith("*") else pattern
        count = itertools.count(1)
        template = re.sub(r"\{n\}|\*$", lambda _, count=count: rf"\g<{next(count)}>", target)
        compiled.append((re.compile(pattern), template))

    @lru_cache(maxsize=100_000)
    def translate(name: str) -> str | None:
        for pattern, template in compiled:
            found = pattern.fullmatch(name)
            if found:
                return found.expand(template)
        return None

    return translate


_to_official = translator(RULES)
_from_official = translator([(official, ours) for ours, official in RULES])


def official_name(name: str) -> str:
    """The official name of one of our entries.

    Raises:
        InputError: It has none, as names of parts that no published model has.
    """
    official = _to_official(name)
    if official is None or _from_official(official) != name:
        told = "official files hold a backbone, a head and an auxiliary head"
        if name.startswith("backbone.stage_norms."):
            told = "published models have no pyramid_gate (train with --model.backbone.pyramid_gate none)"
        raise InputError(f"{name}: has no official name; {told}")
    return official


def our_name(official: str) -> str:
    """Our name of an official entry.

    Raises:
        InputError: It belongs to no part of a segmentation model.
    """
    name = _from_official(official)
    if name is None or _to_official(name) != official:
        raise InputError(f"{official}: is not a name in an official ViT-Adapter segmentation file")
    return name


def to_official(
    state: Mapping[str, Tensor], grid: tuple[int, int] | None = None, panoptic: bool = False
) -> dict[str, Tensor]:
    """A state dict of ours in official form, derived buffers included.

    Args:
        state: Our names; tensors are taken over as they are.
        grid: (rows, columns) of the grid of BEiT's relative position tables; None: square.
        panoptic: The head has its name in the file of COCO panoptic.

    Returns:
        Official names.

    Raises:
        InputError: A name has no official one, or a table fits no such grid.
    """
    result: dict[str, Tensor] = {}
    index: dict[int, Tensor] = {}
    for name, tensor in state.items():
        official = official_name(name)
        if panoptic and official.startswith("decode_head."):
            official = PANOPTIC_HEAD + official.removeprefix("decode_head.")
        result[official] = tensor
        if official.endswith(".relative_position_bias_table"):
            rows = tensor.shape[0]
            if rows not in index:
                # Windows are square whatever the grid; only their tables have no rows for a class token.
                has_class = class_rows(rows) > 0
                sides = grid if grid and has_class else square_grid(rows, name)
                index[rows] = relative_position_index(sides, class_token=has_class)
                if int(index[rows].max()) + 1 != rows:
                    raise InputError(f"{name}: has {rows} rows, which does not fit a grid of {grid}")
            result[official.removesuffix("relative_position_bias_table") + DERIVED] = index[rows]
    return result


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An official state dict under our names; derived buffers are checked and dropped, averaged weights only dropped.

    Raises:
        InputError: A name is not official, or a derived buffer is not what it has to be.
    """
    result: dict[str, Tensor] = {}
    index: dict[tuple[bool, int, int], Tensor] = {}  # blocks share a grid, and an index is large
    for official, tensor in state.items():
        if official.startswith(AVERAGE):
            continue
        if official.rpartition(".")[2] == DERIVED:
            _check_index(official, tensor, state, index)
        elif official.startswith(PANOPTIC_HEAD):
            result[our_name("decode_head." + official.removeprefix(PANOPTIC_HEAD))] = tensor
        else:
            result[our_name(official)] = tensor
    return result


def square_grid(table_rows: int, name: str = "relative position table") -> tuple[int, int]:
    """Sides of the square grid for which a relative position table of so many rows is made.

    Raises:
        InputError: There is none.
    """
    rows = table_rows - class_rows(table_rows)
    side = math.isqrt(max(rows, 0))
    if side * side != rows or side % 2 == 0:
        raise InputError(f"{name}: has {table_rows} rows, which is no (2 n - 1)² (+ 3) of a square grid")
    return (side + 1) // 2, (side + 1) // 2


def _check_index(
    name: str, stored: Tensor, state: Mapping[str, Tensor], built: dict[tuple[bool, int, int], Tensor]
) -> None:
    table = state.get(name.removesuffix(DERIVED) + "relative_position_bias_table")
    if table is None or stored.ndim != 2:
        raise InputError(f"{name}: belongs to no relative position table of the file")
    # Of the sides, their product is known from the tokens and, with the table's rows, their sum.
    extra = class_rows(table.shape[0])
    product, rows = stored.shape[0] - int(extra > 0), table.shape[0] - extra
    total = (4 * product + 1 - rows) // 2
    root = math.isqrt(max(total * total - 4 * product, 0))
    low, high = (total - root) // 2, (total + root) // 2
    if low > 0 and low * high == product:
        for sides in {(low, high), (high, low)}:
            key = (extra > 0, *sides)
            if key not in built:
                built[key] = relative_position_index(sides, class_token=extra > 0)
            if torch.equal(built[key], stored.long()):
                return
    raise InputError(
        f"{name}: is not the index of any grid with {product} patches and a table of {rows + extra} rows; the file was "
        "made by another program"
    )
