"""Files of BEiT and Uni-Perceiver, brought to a model as the official code does it (behaviours 96 to 101)."""

import math
import re
from collections.abc import Mapping

from torch import Tensor

from vit_adapter.config import InputError

from .load import tensor_shape_text
from .official import DERIVED
from .resample import class_rows, resample_positions, resample_relative_table

TABLE = "relative_position_bias_table"
SHARED_TABLE = f"rel_pos_bias.{TABLE}"
_BLOCK_TABLE = re.compile(rf"blocks\.\d+\.attn\.{TABLE}")


def prepare_beit(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """A BEiT file brought to a model's sizes.

    Args:
        source: Tensors of the file.
        target: Entries of the model, whose shapes decide.

    Returns:
        The file with a shared table copied to all blocks, index buffers dropped, tables resampled; what was resampled,
        with old and new shape; what was dropped.

    Raises:
        InputError: A table belongs to a block that the model lacks, or a grid is not square.
    """
    encoder = bool(source) and min(source).startswith("encoder")
    dropped = [name for name in source if name.rpartition(".")[2] == DERIVED]
    dropped += [name for name in source if encoder and not name.startswith("encoder.")]
    state = {
        name.removeprefix("encoder." if encoder else ""): value
        for name, value in source.items()
        if name not in dropped
    }
    own_tables = [name for name in target if _BLOCK_TABLE.fullmatch(name)]
    if SHARED_TABLE in state and own_tables:
        shared = state.pop(SHARED_TABLE)
        state.update({name: shared.clone() for name in own_tables})
    resampled: dict[str, str] = {}
    for name, table in state.items():
        if not name.endswith(TABLE):
            continue
        if name not in target:
            raise InputError(f"{name}: the file has this table, the model has no such block")
        own, source_table = target[name], table
        if own.shape[1] == table.shape[1] and own.shape[0] != table.shape[0]:
            if not class_rows(own.shape[0]):  # a detector's table: of patches alone
                table = table[: table.shape[0] - class_rows(table.shape[0])]
            state[name] = resample_relative_table(table, _table_side(own, name))
            resampled[name] = f"{tensor_shape_text(source_table)} to {tensor_shape_text(own)}"
    name = "pos_embed"
    if name in state and name in target and state[name].shape != target[name].shape:
        stored, own = state[name], target[name]
        state[name] = resample_positions(stored, _square(stored, name), _square(own, name))
        resampled[name] = f"{tensor_shape_text(stored)} to {tensor_shape_text(own)}"
    return state, resampled, dropped


def convert_uniperceiver(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Uni-Perceiver's original names as the adapter's encoder has them; converted files stay as they are."""
    moved = {
        "visual_embed.embeddings.": "visual_embed.patch_embed.proj.",
        "visual_embed.embeddings_st_pos.": "visual_embed.patch_embed.",
    }
    result: dict[str, Tensor] = {}
    for name, value in source.items():
        if _is_text_part(name):
            continue
        name = name.replace("fused_encoder.", "").replace("in_proj_", "in_proj.")
        name = name.replace("video_embed.", "visual_embed.")
        for old, new in moved.items():
            if name.startswith(old):
                name = new + name[len(old) :]
        result[name] = value
    return result


def _is_text_part(name: str) -> bool:
    """Whether an entry of Uni-Perceiver belongs to texts or to the losses of its pretraining."""
    return "loss_prepare" in name or "token_embed" in name


def _table_side(table: Tensor, name: str) -> int:
    rows = table.shape[0] - class_rows(table.shape[0])
    side = math.isqrt(max(rows, 0))
    if side * side != rows or side % 2 == 0:
        raise InputError(
            f"{name}: the model's grid is not square, for which stored tables cannot be resampled"
        )
    return side


def _square(table: Tensor, name: str) -> tuple[int, int]:
    """Sides of the grid of a position table with one class row."""
    side = math.isqrt(max(table.shape[1] - 1, 0))
    if side * side != table.shape[1] - 1:
        raise InputError(f"{name}: {table.shape[1]} rows are no class row and a square grid")
    return side, side
