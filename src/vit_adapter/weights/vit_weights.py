"""Weights of a plain ViT, in any published form, for the timm model inside an adapter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vit_adapter.config import InputError

from .channels import convert_channels
from .files import WeightsFile
from .load import align_names, fit_state, tensor_shape_text
from .pretraining import TABLE, prepare_beit
from .report import LoadReport
from .resample import resample_patches, resample_positions
from .vit_names import to_timm_names

# Entries of published files that a feature pyramid never uses. The class and register tokens are among them only
# where the model has dropped its own.
_UNUSED = (
    *(
        "norm.*",
        "fc_norm.*",
        "head.*",
        "head_dist.*",
        "pre_logits.*",
        "lm_head.*",
        "attn_pool.*",
        "local_cls_norm.*",
    ),
    *("mask_token", "cls_token", "dist_token", "reg_token", "decoder_*", "projectors.*"),
    *("*rope*", "*.relative_position_index", "visual_embed.embeddings_type.*"),
)
_OPTIONAL = ("rope.periods", "mask_token", "local_cls_norm.*")
"""Entries of a model that only some files of its ViT hold: timm's of DINOv3 hold none of them."""
_LAYER_SCALES = ("blocks.*.ls1.gamma", "blocks.*.ls2.gamma", "blocks.*.gamma_1", "blocks.*.gamma_2")
_POSITION_TABLES = ("pos_embed", "visual_embed.patch_embed.spatial_pos_embed.weight")
HALF = (torch.float16, torch.bfloat16)
_PATCH_KERNELS = ("patch_embed.proj.weight", "visual_embed.patch_embed.proj.weight")


@dataclass(frozen=True)
class AdaptedWeights:
    """Weights that fit a model.

    Attributes:
        state: Tensors by the model's names, of its types and, a position table excepted, of its shapes.
        grid: (rows, columns) of the position table in ``state``; None without one. Where it is not the
            model's own grid, the model is to take over the table with its size.
        report: What was done with every entry.
    """

    state: dict[str, Tensor]
    grid: tuple[int, int] | None
    report: LoadReport


def adapt_vit_weights(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    *,
    patch_size: int,
    grid: tuple[int, int],
    table_prefix: int = 0,
    patch_resample: Literal["bilinear", "flexi"] = "bilinear",
    resize_table: bool = False,
    added_layer_scales: bool = False,
    on_mismatch: Literal["error", "keep"] = "error",
    broadcast: bool = False,
    file: WeightsFile | None = None,
) -> AdaptedWeights:
    """Brings the weights of a published ViT file to a model.

    Accepted are the files of DeiT, AugReg (timm's form), MAE, BEiT, BEiTv2, DINOv2, DINOv3, EVA-02 and
    Uni-Perceiver, timm's own and the official adapter's. Final norm, classifier, mask token, and tokens that the
    model has dropped are left out and named in the report.

    Args:
        source: Tensors of the file, prefixes taken off.
        target: ``state_dict`` of the model's ViT, its patch embedding already of the wanted size.
        patch_size: The named ViT's own patch size in pixels, before the model changed it. A file with patches of
            another size is another ViT's, unless they have the model's size already.
        grid: (rows, columns) of the model's position table.
        table_prefix: Rows before the grid in that table (class token ...), also where they are unused.
        patch_resample: How patches of another size than the model's become so: "bilinear" or "flexi".
        resize_table: Resample the position table to ``grid``; False: it keeps its stored size, as the published
            models have it, and is resampled in every forward pass.
        added_layer_scales: The model got layer scales that the named ViT does not have by itself; a file without
            them leaves them at their start.
        on_mismatch: "error" or "keep", see ``fit_state``.
        broadcast: With "keep", spread a tensor that broadcasts, see ``fit_state``.
        file: Where ``source`` was read from.

    Returns:
        The tensors, the grid of the position table, and the report.

    Raises:
        InputError: The file is another ViT's, or an entry is missing, unknown or of another shape.
    """
    where = file.path if file is not None else "weights"
    source, notes = align_names(target, source)
    # Sums and resampled values are not to be rounded to half precision on their way.
    source = {name: value.float() if value.dtype in HALF else value for name, value in source.items()}
    state, renamings = to_timm_names(source, target)
    notes = [*notes, *renamings]
    registers = target["reg_token"].shape[1] if "reg_token" in target else 0
    dropped = [name for name in source if "loss_prepare" in name or "token_embed" in name]
    resampled: dict[str, str] = {}
    for name in _PATCH_KERNELS:
        if name in state and name in target:
            state[name] = _patches(state[name], target[name], patch_size, patch_resample, on_mismatch, where)
            _note_change(resampled, name, source.get(name), state[name])
    if any(name.endswith(TABLE) for name in state):
        try:
            state, tables, indexes = prepare_beit(state, target)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        resampled.update(tables)
        dropped += indexes
    shapes, table_grid = dict(target), None
    for name in _POSITION_TABLES:
        if name in target:
            table_grid = grid
        if name in state and name in target:
            own = target[name]
            table, table_grid, told = _position_table(state[name], own, grid, table_prefix, registers, where)
            notes += told
            if table_grid != grid:
                change = f"{table_grid[0]} x {table_grid[1]}, the model's was {grid[0]} x {grid[1]}"
                if resize_table:
                    resampled[name] = f"grid of {change}"
                    table, table_grid = resample_positions(table, table_grid, grid), grid
                else:
                    notes.append(f"{name} keeps its grid of {change}")
            state[name] = table.reshape(-1, table.shape[-1]) if own.ndim == 2 else table
            shape = (*state[name].shape[:-1], own.shape[-1])
            shapes[name] = torch.empty(shape, dtype=own.dtype, device="meta")
    missing_scales = added_layer_scales and not any("ls1.gamma" in n or "gamma_1" in n for n in state)
    try:
        chosen, report = fit_state(
            shapes,
            state,
            on_mismatch=on_mismatch,
            allow_missing=(*_OPTIONAL, *_LAYER_SCALES) if missing_scales else _OPTIONAL,
            allow_unused=_UNUSED,
            broadcast=broadcast and on_mismatch == "keep",
            resampled=resampled,
            left_out=dropped,
            file=file,
            notes=notes,
        )
    except InputError as error:
        raise InputError(
            f"{error}; the file is {describe_vit(state)}, the model {describe_vit(target)}"
        ) from error
    return AdaptedWeights(chosen, table_grid, report)


def describe_vit(state: Mapping[str, Tensor]) -> str:
    """What ViT a state dict belongs to, in a few words, from its shapes."""
    kernel = next((state[name] for name in _PATCH_KERNELS if name in state), None)
    if kernel is None or kernel.ndim != 4:
        return "no ViT in a known form"
    blocks = {name.split(".")[1] for name in state if name.startswith(("blocks.", "layers."))}
    parts = [f"width {kernel.shape[0]}", f"{len(blocks)} blocks", f"patches of {kernel.shape[-1]}"]
    scales = any(name.endswith(("ls1.gamma", "gamma_1", "gamma1")) for name in state)
    parts.append("layer scales" if scales else "no layer scales")
    registers = next((state[name].shape[1] for name in ("reg_token", "register_tokens") if name in state), 0)
    parts.append(f"{registers} registers" if registers else "no registers")
    return f"a ViT of {', '.join(parts)}"


def split_table_rows(rows: int, expected_prefix: int, registers: int = 0) -> tuple[int, int]:
    """Rows before the grid, and side of the square grid, of a position table.

    Args:
        rows: All rows.
        expected_prefix: Rows before the grid in the model's table; tried first.
        registers: Number of register tokens of the family; without any, a class token with four of them is
            tried last.

    Raises:
        InputError: No square grid remains.
    """
    # None, class token, class and distillation token, class and register tokens, register tokens alone.
    usual = [expected_prefix, 0, 1, 2, 1 + (registers or 4), *([registers] if registers else [])]
    for prefix in usual:
        side = math.isqrt(max(rows - prefix, 0))
        if side > 0 and side * side == rows - prefix:
            return prefix, side
    tried = ", ".join(str(prefix) for prefix in sorted(set(usual)))
    side = math.isqrt(rows)
    raise InputError(
        f"position table has {rows} rows, which is not a square grid after {tried} rows for tokens (next: {side} x "
        f"{side} = {side * side}); expected a table of the same kind of ViT"
    )


def _patches(
    kernel: Tensor,
    own: Tensor,
    patch_size: int,
    mode: Literal["bilinear", "flexi"],
    on_mismatch: str,
    where: str,
) -> Tensor:
    """The patch embedding of a file for the model's channels and patch size."""
    if kernel.ndim != 4 or kernel.shape[0] != own.shape[0]:
        return kernel  # another width: reported with all other shapes
    stored, wanted = kernel.shape[-1], own.shape[-1]
    if stored not in (patch_size, wanted) and on_mismatch == "error":
        raise InputError(
            f"{where}: has patches of {stored} pixels, the named ViT has {patch_size}; name the ViT that the file "
            "belongs to, its patches are then resampled"
        )
    kernel = convert_channels(kernel, own.shape[1])
    if stored == patch_size and stored != wanted:
        kernel = resample_patches(kernel, wanted, mode)
    return kernel


def _note_change(resampled: dict[str, str], name: str, before: Tensor | None, after: Tensor) -> None:
    if before is not None and before.shape != after.shape:
        resampled[name] = f"{tensor_shape_text(before)} to {tensor_shape_text(after)}"


def _position_table(
    table: Tensor, own: Tensor, grid: tuple[int, int], prefix: int, registers: int, where: str
) -> tuple[Tensor, tuple[int, int], list[str]]:
    """A stored position table as [1, prefix + grid, C] of its own grid, with notes."""
    if table.shape == own.shape:
        return table if table.ndim == 3 else table[None], grid, []
    rows = table if table.ndim == 3 else table[None]
    try:
        stored_prefix, side = split_table_rows(rows.shape[1], prefix, registers)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    notes = []
    if stored_prefix > prefix:
        rows = torch.cat([rows[:, :prefix], rows[:, stored_prefix:]], dim=1)
        notes.append(
            f"{stored_prefix - prefix} rows of the position table belong to tokens that the model lacks"
        )
    elif stored_prefix < prefix:
        rows = torch.cat([rows.new_zeros(1, prefix - stored_prefix, rows.shape[2]), rows], dim=1)
        notes.append(f"{prefix - stored_prefix} rows of the position table, which the file lacks, are 0")
    return rows, (side, side), notes
