"""Names of DINOv3's published segmentation model, and ours: a second table beside that of ``official.py``.

The published model is two files: a ViT under bare names, and adapter and head below "segmentation_model.0." and
"segmentation_model.1."; whether the second file also holds the ViT, below "segmentation_model.0.backbone.", is not
known, and both are accepted (behaviour 121). Ours, in which queries and values have biases of their own, holds less
than the files in two places:

- the middle third of ``qkv.bias``, the keys' bias, is switched off by a mask beside it (behaviour 115); it is written
  as 0 and not read;
- ``qkv.bias_mask`` follows from the width; it is written when exporting, checked and dropped when loading.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vit_adapter.config import InputError

from .official import ADAPTER, Rule, below, translator

PREFIX = "segmentation_model."
BACKBONE, HEAD = f"{PREFIX}0.", f"{PREFIX}1."
VIT = f"{BACKBONE}backbone."

_FEEDFORWARD: list[Rule] = [("fc1_g.*", "w1.*"), ("fc1_x.*", "w2.*"), ("fc2.*", "w3.*")]
_VIT: list[Rule] = [
    ("reg_token", "storage_tokens"),
    ("rope.periods", "rope_embed.periods"),
    ("blocks.{n}.gamma_1", "blocks.{n}.ls1.gamma"),
    ("blocks.{n}.gamma_2", "blocks.{n}.ls2.gamma"),
    *((name, name) for name in ("cls_token", "mask_token", "patch_embed.*", "norm.*", "local_cls_norm.*")),
    *((f"blocks.{{n}}.{name}", f"blocks.{{n}}.{name}") for name in ("norm1.*", "norm2.*")),
    *(
        (f"blocks.{{n}}.{name}", f"blocks.{{n}}.{name}")
        for name in ("attn.qkv.*", "attn.proj.*", "mlp.fc1.*")
    ),
]
_PLAIN_FC2: list[Rule] = [("blocks.{n}.mlp.fc2.*", "blocks.{n}.mlp.fc2.*")]

_ENCODER_LAYER: list[Rule] = [
    ("attention.value_projection.*", "self_attn.value_proj.*"),
    ("attention.output_projection.*", "self_attn.output_proj.*"),
    ("attention.*", "self_attn.*"),
    ("attention_norm.*", "norm1.*"),
    ("feedforward.fc1.*", "linear1.*"),
    ("feedforward.fc2.*", "linear2.*"),
    ("feedforward_norm.*", "norm2.*"),
]


def _attention(ours: str, official: str, kind: str) -> list[Rule]:
    place = f"predictor.transformer_{official}_layers.{{n}}"
    return [
        (f"{ours}.in_projection.weight", f"{place}.{kind}.in_proj_weight"),
        (f"{ours}.in_projection.bias", f"{place}.{kind}.in_proj_bias"),
        (f"{ours}.output_projection.*", f"{place}.{kind}.out_proj.*"),
        (f"{ours}_norm.*", f"{place}.norm.*"),
    ]


_DECODER = "transformer_decoder"
_HEAD: list[Rule] = [
    *below(
        "pixel_decoder.input_projections.{n}",
        "pixel_decoder.input_convs.{n}",
        [("conv.*", "0.*"), ("norm.*", "1.*")],
    ),
    ("pixel_decoder.level_embedding", "pixel_decoder.encoder.level_encoding"),
    *below("pixel_decoder.encoder.{n}", "pixel_decoder.encoder.encoder.layers.{n}", _ENCODER_LAYER),
    *(
        (f"pixel_decoder.{ours}.{part}.*", f"pixel_decoder.{official}.0.{their_part}*")
        for ours, official in (("lateral", "lateral_convs"), ("output", "output_convs"))
        for part, their_part in (("norm", "norm."), ("conv", ""))
    ),
    ("pixel_decoder.mask_projection.*", "pixel_decoder.mask_feature.*"),
    (f"{_DECODER}.level_embedding", "predictor.level_embed.weight"),
    (f"{_DECODER}.query_content", "predictor.query_feat.weight"),
    (f"{_DECODER}.query_positions", "predictor.query_embed.weight"),
    *_attention(f"{_DECODER}.layers.{{n}}.cross_attention", "cross_attention", "multihead_attn"),
    *_attention(f"{_DECODER}.layers.{{n}}.self_attention", "self_attention", "self_attn"),
    (f"{_DECODER}.layers.{{n}}.feedforward.fc1.*", "predictor.transformer_ffn_layers.{n}.linear1.*"),
    (f"{_DECODER}.layers.{{n}}.feedforward.fc2.*", "predictor.transformer_ffn_layers.{n}.linear2.*"),
    (f"{_DECODER}.layers.{{n}}.feedforward_norm.*", "predictor.transformer_ffn_layers.{n}.norm.*"),
    (f"{_DECODER}.prediction_norm.*", "predictor.post_norm.*"),
    (f"{_DECODER}.classifier.*", "predictor.class_embed.*"),
    (f"{_DECODER}.mask_embedding.{{n}}.*", "predictor.mask_embed.layers.{n}.*"),
]


def _rules(gated: bool) -> list[Rule]:
    """All pairs; the last matrix of a feed-forward part has another name where it is gated (the 7B)."""
    feedforward = below("blocks.{n}.mlp", "blocks.{n}.mlp", _FEEDFORWARD) if gated else _PLAIN_FC2
    return [
        *below("backbone", BACKBONE[:-1], ADAPTER),
        *below("backbone.vit", VIT[:-1], [*_VIT, *feedforward]),
        *below("head", HEAD[:-1], _HEAD),
    ]


_to_official = {gated: translator(_rules(gated)) for gated in (False, True)}
_from_official = {
    gated: translator([(official, ours) for ours, official in _rules(gated)]) for gated in (False, True)
}
_BIAS = re.compile(r"(.+\.attn\.)qkv\.bias")
_GATED = re.compile(r".*\.mlp\.w[123]\..+")


def dinov3_name(name: str, gated: bool) -> str:
    """The published name of one of our entries.

    Args:
        name: Ours; biases of queries and values have none of their own.
        gated: Whether the ViT's feed-forward parts are gated.

    Raises:
        InputError: It has none.
    """
    official = _to_official[gated](name)
    if official is None or _from_official[gated](official) != name:
        raise InputError(f"{name}: has no name in DINOv3's published segmentation model")
    return official


def our_name(official: str) -> str:
    """Our name of an entry of the published model, of the biases and their masks excepted.

    Raises:
        InputError: It belongs to no part of that model.
    """
    gated = _GATED.fullmatch(official) is not None
    name = _from_official[gated](official)
    if name is None or _to_official[gated](name) != official:
        raise InputError(f"{official}: is not a name in DINOv3's published segmentation model")
    return name


def is_dinov3(names: Mapping[str, Tensor]) -> bool:
    """Whether entries are those of a file of that model: of its adapter, its head or both."""
    return any(name.startswith((BACKBONE, HEAD)) for name in names)


def has_dinov3_form(state: Mapping[str, Tensor]) -> bool:
    """Whether a model of ours is one that such a file can hold: DINOv3 inside, no injectors, Mask2Former."""
    return (
        "backbone.vit.rope.periods" in state
        and "head.transformer_decoder.query_content" in state
        and not any(".injector." in name for name in state)
    )


def to_dinov3(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of ours under the published names; the ViT's bare file is the part below ``VIT``.

    Raises:
        InputError: A name has no published one.
    """
    gated = any(".mlp.fc1_g." in name for name in state)
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        stem, _, last = name.rpartition(".")
        if last == "v_bias":
            continue
        if last == "q_bias":
            published = dinov3_name(f"{stem}.qkv.bias", gated)
            result[published] = torch.cat([tensor, torch.zeros_like(tensor), state[f"{stem}.v_bias"]])
            result[f"{published}_mask"] = _bias_mask(tensor)
            continue
        result[dinov3_name(name, gated)] = tensor
    return result


def from_dinov3(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the published model under our names; the keys' bias and its mask are dropped.

    Raises:
        InputError: A name is unknown, or a mask is not the one that all published files have.
    """
    result: dict[str, Tensor] = {}
    for official, tensor in state.items():
        if official.endswith(".attn.qkv.bias_mask"):
            expected = _bias_mask(tensor[: len(tensor) // 3])
            if tensor.device.type != "meta" and not torch.equal(tensor.float(), expected.float()):
                raise InputError(
                    f"{official}: expected 1 for queries and values and 0 for keys, so another program wrote this file"
                )
            continue
        name = our_name(official)
        if bias := _BIAS.fullmatch(name):
            query, _, value = tensor.chunk(3)
            result[f"{bias[1]}q_bias"], result[f"{bias[1]}v_bias"] = query, value
            continue
        result[name] = tensor
    return result


def _bias_mask(query: Tensor) -> Tensor:
    """1 for queries and values, 0 for keys: [3 * width]."""
    return torch.cat([torch.ones_like(query), torch.zeros_like(query), torch.ones_like(query)])
