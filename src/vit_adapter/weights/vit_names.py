"""Names of published ViT files as timm has them.

timm's models are what this library wraps. Files of DeiT, MAE, AugReg (as timm stores it), BEiT and DINOv2 without
registers have these names already; the others differ in the ways listed here.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from vit_adapter.config import InputError

from .pretraining import convert_uniperceiver

_CHUNKED = re.compile(r"blocks\.(\d+)\.(\d+)\.(.+)")
_LAYER_SCALES = {"gamma1": "ls1.gamma", "gamma2": "ls2.gamma"}


def to_timm_names(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """A published file under the names of a timm model.

    Args:
        source: Tensors of the file.
        target: Entries of the model, which decide where several forms are in use.

    Returns:
        The tensors under timm's names, and notes for the report.

    Raises:
        InputError: The file's biases cannot be brought into the model.
    """
    notes: list[str] = []
    state = dict(source)
    if any(_CHUNKED.fullmatch(name) for name in state):
        state = join_chunks(state)
        notes.append("blocks stored in chunks were joined")
    if any(name.startswith(("fused_encoder.", "video_embed.")) for name in state):
        state = convert_uniperceiver(state)
        notes.append("names of Uni-Perceiver's original file were converted")
    if "register_tokens" in state:
        state = _dinov2_registers(state)
        notes.append("the class token's position was added to it, as timm stores DINOv2 with registers")
    if "storage_tokens" in state or any(name.endswith("qkv.bias_mask") for name in state):
        state = _dinov3(state, target)
        notes.append("names of DINOv3's own file were converted")
    return {_renamed(name, target): value for name, value in state.items()}, notes


def join_chunks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``blocks.CHUNK.BLOCK.rest`` as ``blocks.BLOCK.rest`` (self-supervised training code stores blocks so).

    The second number counts through all chunks; where it starts anew in every chunk, the chunks before are
    counted in.
    """
    chunks: dict[int, set[int]] = {}
    for name in state:
        if found := _CHUNKED.fullmatch(name):
            chunks.setdefault(int(found[1]), set()).add(int(found[2]))
    anew = len(chunks) > 1 and all(min(blocks) == 0 for blocks in chunks.values())
    before, offset = {}, 0
    for chunk in sorted(chunks):
        before[chunk] = offset if anew else 0
        offset += len(chunks[chunk])
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        found = _CHUNKED.fullmatch(name)
        result[f"blocks.{before[int(found[1])] + int(found[2])}.{found[3]}" if found else name] = value
    return result


def _dinov2_registers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2 with registers: timm's table has no row for the class token, its position is in the token."""
    result = dict(state)
    result["reg_token"] = result.pop("register_tokens")
    if "pos_embed" in result and "cls_token" in result:
        table = result["pos_embed"]
        result["cls_token"] = result["cls_token"] + table[:, :1]
        result["pos_embed"] = table[:, 1:]
    return result


def _dinov3(state: dict[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DINOv3: register names, layer scales named as timm's Eva has them, biases split; keys never have one."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("attn.qkv.bias_mask"):
            continue
        name = name.replace("storage_tokens", "reg_token").replace("rope_embed.", "rope.")
        scale = re.sub(r"\.ls([12])\.gamma$", r".gamma_\1", name)
        name = scale if scale in target else name
        if name.endswith("attn.qkv.bias") and name not in target:
            query, _, values = value.chunk(3)
            stem = name.removesuffix("qkv.bias")
            if f"{stem}q_bias" in target:
                result[f"{stem}q_bias"], result[f"{stem}v_bias"] = query, values
                continue
            if bool((query != 0).any()) or bool((values != 0).any()):
                raise InputError(
                    f"{name}: the file has biases of queries and values, the model has none; take the timm name that "
                    "ends with _qkvb"
                )
            continue
        result[name] = value
    return result


def _renamed(name: str, target: Mapping[str, Tensor]) -> str:
    """Single names that differ; only where the model has the new one and not the old one."""
    if name in target:
        return name
    candidates = []
    stem, _, last = name.rpartition(".")
    if last in _LAYER_SCALES:  # official ViT-Adapter names
        candidates.append(f"{stem}.{_LAYER_SCALES[last]}")
    for old, new in (
        (".mlp.w12.", ".mlp.fc1."),  # DINOv2 giant
        (".mlp.w1.", ".mlp.fc1_g."),  # EVA-02, DINOv3 with gated feed-forward
        (".mlp.w2.", ".mlp.fc1_x."),
        (".mlp.w3.", ".mlp.fc2."),
        (".mlp.ffn_ln.", ".mlp.norm."),
        (".attn.inner_attn_ln.", ".attn.norm."),
    ):
        if old in name:
            candidates.append(name.replace(old, new))
    if last in ("q_bias", "v_bias"):
        candidates.append(f"{stem}.{last[0]}_proj.bias")
    return next((candidate for candidate in candidates if candidate in target), name)
