"""Names of a Mask2Former head's weights in Hugging Face's ``transformers``, and back.

Both implement the same network; names differ, and so do the projections of queries, keys and values of self-attention,
which lie in one matrix here and in three there (behaviour 104).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vit_adapter.weights.official import below, translator

_CONV_NORM = [("conv.*", "0.*"), ("norm.*", "1.*")]
_FEEDFORWARD = [("feedforward_norm.*", "final_layer_norm.*"), ("feedforward.fc{n}.*", "fc{n}.*")]
_ENCODER_LAYER = [
    ("attention.value_projection.*", "self_attn.value_proj.*"),
    ("attention.output_projection.*", "self_attn.output_proj.*"),
    ("attention.*", "self_attn.*"),
    ("attention_norm.*", "self_attn_layer_norm.*"),
    *_FEEDFORWARD,
]
_DECODER_LAYER = [
    ("cross_attention.in_projection.weight", "cross_attn.in_proj_weight"),
    ("cross_attention.in_projection.bias", "cross_attn.in_proj_bias"),
    ("cross_attention.output_projection.*", "cross_attn.out_proj.*"),
    ("cross_attention_norm.*", "cross_attn_layer_norm.*"),
    ("self_attention.in_projection.*", "self_attn.qkv_proj.*"),  # taken apart into q_proj, k_proj and v_proj
    ("self_attention.output_projection.*", "self_attn.out_proj.*"),
    ("self_attention_norm.*", "self_attn_layer_norm.*"),
    *_FEEDFORWARD,
]
# (our name, Hugging Face's): {n} stands for one number, * at the end for any rest; the first that fits wins.
_RULES = [
    *below(
        "pixel_decoder.input_projections.{n}",
        "model.pixel_level_module.decoder.input_projections.{n}",
        _CONV_NORM,
    ),
    *below(
        "pixel_decoder.encoder.{n}", "model.pixel_level_module.decoder.encoder.layers.{n}", _ENCODER_LAYER
    ),
    *below("pixel_decoder.lateral", "model.pixel_level_module.decoder.adapter_1", _CONV_NORM),
    *below("pixel_decoder.output", "model.pixel_level_module.decoder.layer_1", _CONV_NORM),
    ("pixel_decoder.level_embedding", "model.pixel_level_module.decoder.level_embed"),
    ("pixel_decoder.mask_projection.*", "model.pixel_level_module.decoder.mask_projection.*"),
    *below("transformer_decoder.layers.{n}", "model.transformer_module.decoder.layers.{n}", _DECODER_LAYER),
    ("transformer_decoder.input_projections.{n}.*", "model.transformer_module.input_projections.{n}.*"),
    ("transformer_decoder.level_embedding", "model.transformer_module.level_embed.weight"),
    ("transformer_decoder.query_content", "model.transformer_module.queries_features.weight"),
    ("transformer_decoder.query_positions", "model.transformer_module.queries_embedder.weight"),
    ("transformer_decoder.prediction_norm.*", "model.transformer_module.decoder.layernorm.*"),
    *[
        (
            f"transformer_decoder.mask_embedding.{n}.*",
            f"model.transformer_module.decoder.mask_predictor.mask_embedder.{n}.0.*",
        )
        for n in range(3)
    ],
    ("transformer_decoder.classifier.*", "class_predictor.*"),
]
_PACKED, _PARTS = ".qkv_proj.", (".q_proj.", ".k_proj.", ".v_proj.")
_to_theirs = translator(_RULES)
_to_ours = translator([(theirs, ours) for ours, theirs in _RULES])


def to_transformers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A head's weights under Hugging Face's names."""
    found = {}
    for name, tensor in state.items():
        theirs = _to_theirs(name)
        assert theirs is not None, name
        if _PACKED in theirs:
            found |= {theirs.replace(_PACKED, part): third for part, third in zip(_PARTS, tensor.chunk(3))}
        else:
            found[theirs] = tensor
    return found


def from_transformers_names(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a head there, under our names."""
    found = {}
    for name, tensor in theirs.items():
        first = next((part for part in _PARTS if part in name and ".decoder.layers." in name), None)
        if first in _PARTS[1:]:
            continue  # taken with the queries' matrix
        if first is not None:
            tensor = torch.cat([theirs[name.replace(first, part)] for part in _PARTS])
            name = name.replace(first, _PACKED)
        ours = _to_ours(name)
        assert ours is not None, name
        found[ours] = tensor
    return found
