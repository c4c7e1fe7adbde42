"""What is measured: one row for each model and kind of work."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from vit_adapter.config import InputError

Work = Literal["inference", "labels", "training", "head", "memory"]

TINY = "upernet_deit_adapter_tiny_512_160k_ade20k"
SMALL = "upernet_deit_adapter_small_512_160k_ade20k"
BASE = "upernet_deit_adapter_base_512_160k_ade20k"
LARGE = "upernet_augreg_adapter_large_512_160k_ade20k"
MASK2FORMER = "mask2former_beit_adapter_base_512_40k_cocostuff10k"
MASK2FORMER_SMALL = "mask2former_dinov2_adapter_small_512_ade20k"

REFERENCE = "reference"
"""The side that all others are compared with: every operator in its reference form, float32."""
VIT_ALONE = "vit alone"
"""The same ViT of timm without adapter and head, on the same image."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: Its name.
        recipe: The model, with random weights.
        work: "inference": scores at the size of the image; "labels": pixels to labels; "training": forward, backward
            and AdamW; "head": the head alone; "memory": working memory of the forward pass in processes of their own.
        sides: What is compared: "reference", "default" (float32, as a model runs by itself), "optimized" (after
            ``Segmenter.optimize``), "bfloat16" (optimized, weights in bfloat16; in training autocast), "vit alone", and
            names of ``peers.PEERS``.
        size: Side of the square image in pixels.
        batch: Images at once.
        targets: For a side the least ratio reference / side that is wanted, for "memory" and "vit alone" the
            largest ratio side / reference.
    """

    name: str
    recipe: str
    work: Work
    sides: tuple[str, ...]
    size: int = 512
    batch: int = 1
    targets: tuple[tuple[str, float], ...] = ()

    def resized(self, size: int) -> "Row":
        """The same row at another size, under another name."""
        return replace(self, name=f"{self.name}, {size} pixels", size=size, targets=())


_THREE = (REFERENCE, "default", "bfloat16")
_TWO = (REFERENCE, "default")

MAIN = (
    Row("UperNet T", TINY, "inference", _THREE, targets=(("default", 2.5), ("bfloat16", 2.8))),
    Row("UperNet S", SMALL, "inference", _THREE, targets=(("default", 2.2), ("bfloat16", 2.7))),
    Row("UperNet B", BASE, "inference", _THREE, targets=(("default", 1.9), ("bfloat16", 2.6))),
    Row("UperNet T, labels only", TINY, "labels", _TWO, targets=(("default", 2.7),)),
    Row("UperNet T, training step", TINY, "training", _TWO, batch=2, targets=(("default", 1.5),)),
    Row("Mask2Former head (256 wide)", MASK2FORMER, "head", _TWO, targets=(("default", 2.2),)),
    Row("Mask2Former B (BEiT)", MASK2FORMER, "inference", _TWO, targets=(("default", 1.7),)),
    Row("UperNet B beside its ViT", BASE, "inference", (VIT_ALONE, "default"), targets=(("default", 2.2),)),
    Row("UperNet T, memory", TINY, "memory", _THREE, targets=(("default", 0.45),)),
    Row("UperNet S, memory", SMALL, "memory", _THREE, targets=(("default", 0.45),)),
    Row("UperNet B, memory", BASE, "memory", _THREE, targets=(("default", 0.45),)),
)
MORE = (
    Row("UperNet T, optimized", TINY, "inference", (REFERENCE, "optimized")),
    Row("UperNet L", LARGE, "inference", _THREE),
    Row("Mask2Former B (BEiT), bfloat16", MASK2FORMER, "inference", (REFERENCE, "bfloat16")),
    Row("Mask2Former S (DINOv2)", MASK2FORMER_SMALL, "inference", _THREE),
    Row("UperNet T, training step in bfloat16", TINY, "training", (REFERENCE, "bfloat16"), batch=2),
    Row("UperNet S, training step", SMALL, "training", _THREE, batch=2),
    Row("UperNet B, training step", BASE, "training", _THREE, batch=2),
    Row("Mask2Former B (BEiT), training step", MASK2FORMER, "training", _TWO, batch=2),
    Row("Mask2Former B (BEiT), memory", MASK2FORMER, "memory", _TWO),
)
CURVES = (
    *(replace(MAIN[0], sides=_TWO).resized(size) for size in (256, 384, 768, 1024)),
    *(
        Row(f"UperNet T, batch {batch}", TINY, "inference", _TWO, size=256, batch=batch)
        for batch in (1, 2, 4, 8)
    ),
)
PEERS = (
    Row(
        "UperNet B beside peers",
        BASE,
        "inference",
        (VIT_ALONE, "default", "transformers UperNet, BEiT-B", "smp UPerNet, MiT-B5"),
    ),
    Row(
        "Mask2Former B beside peers",
        MASK2FORMER,
        "inference",
        (VIT_ALONE, "default", "transformers Mask2Former, Swin-B", "transformers EoMT, ViT-B"),
    ),
)
GROUPS: dict[str, tuple[Row, ...]] = {"main": MAIN, "more": MORE, "curves": CURVES, "peers": PEERS}
"""Rows by the group that asks for them."""


def without_half_precision(rows: list[Row]) -> Iterator[Row]:
    """Rows without their sides in bfloat16; rows that have no other side left are dropped."""
    for row in rows:
        sides = tuple(side for side in row.sides if side != "bfloat16")
        if len(sides) > 1:
            yield replace(row, sides=sides)


def find_rows(names: tuple[str, ...] | list[str], size: int | None = None) -> list[Row]:
    """Rows by their groups ("main", "more", "curves", "peers", "all") or by parts of their names.

    Args:
        names: Groups and parts of names.
        size: Another image size for all of them.

    Raises:
        InputError: Nothing has such a name, or the size is no multiple of 32.
    """
    every = [row for group in GROUPS.values() for row in group]
    found: list[Row] = []
    for name in names:
        rows = every if name == "all" else GROUPS.get(name) or [row for row in every if name == row.name]
        rows = rows or [row for row in every if name in row.name]
        if not rows:
            raise InputError(
                f"bench: no rows are named {name!r}; there are the groups {', '.join(GROUPS)}, all, and "
                + ", ".join(repr(row.name) for row in every)
            )
        found += [row for row in rows if row not in found]
    if size is None:
        return found
    if size < 64 or size % 32:
        raise InputError(f"bench: --size {size}: expected a multiple of 32, at least 64")
    return [row if row.size == size else row.resized(size) for row in found]
