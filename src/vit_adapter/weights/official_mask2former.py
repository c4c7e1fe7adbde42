"""Names of the Mask2Former head in the official files, and ours: a part of the table in ``official.py``.

Rules are (our name, official name); {n} stands for one number, * at the end for any rest.
"""

_ENCODER_LAYER = [
    ("attention.value_projection.*", "attentions.0.value_proj.*"),
    ("attention.output_projection.*", "attentions.0.output_proj.*"),
    ("attention.*", "attentions.0.*"),
    ("attention_norm.*", "norms.0.*"),
    ("feedforward.fc1.*", "ffns.0.layers.0.0.*"),
    ("feedforward.fc2.*", "ffns.0.layers.1.*"),
    ("feedforward_norm.*", "norms.1.*"),
]


def _attention(ours: str, official: str) -> list[tuple[str, str]]:
    return [
        (f"{ours}.in_projection.weight", f"{official}.attn.in_proj_weight"),
        (f"{ours}.in_projection.bias", f"{official}.attn.in_proj_bias"),
        (f"{ours}.output_projection.*", f"{official}.attn.out_proj.*"),
    ]


_DECODER_LAYER = [
    *_attention("cross_attention", "attentions.0"),
    ("cross_attention_norm.*", "norms.0.*"),
    *_attention("self_attention", "attentions.1"),
    ("self_attention_norm.*", "norms.1.*"),
    ("feedforward.fc1.*", "ffns.0.layers.0.0.*"),
    ("feedforward.fc2.*", "ffns.0.layers.1.*"),
    ("feedforward_norm.*", "norms.2.*"),
]
_CONV_GROUP_NORM = [("conv.*", "conv.*"), ("norm.*", "gn.*")]


def _below(ours: str, official: str, rules: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"{ours}.{our_rest}", f"{official}.{official_rest}") for our_rest, official_rest in rules]


PIXEL_DECODER: list[tuple[str, str]] = [
    *_below("input_projections.{n}", "input_convs.{n}", _CONV_GROUP_NORM),
    ("level_embedding", "level_encoding.weight"),
    *_below("encoder.{n}", "encoder.layers.{n}", _ENCODER_LAYER),
    *_below("lateral", "lateral_convs.0", _CONV_GROUP_NORM),
    *_below("output", "output_convs.0", _CONV_GROUP_NORM),
    ("mask_projection.*", "mask_feature.*"),
]
"""Inside the pixel decoder."""

MASK2FORMER: list[tuple[str, str]] = [
    *_below("pixel_decoder", "pixel_decoder", PIXEL_DECODER),
    ("transformer_decoder.input_projections.{n}.*", "decoder_input_projs.{n}.*"),
    ("transformer_decoder.level_embedding", "level_embed.weight"),
    ("transformer_decoder.query_content", "query_feat.weight"),
    ("transformer_decoder.query_positions", "query_embed.weight"),
    *_below("transformer_decoder.layers.{n}", "transformer_decoder.layers.{n}", _DECODER_LAYER),
    ("transformer_decoder.prediction_norm.*", "transformer_decoder.post_norm.*"),
    ("transformer_decoder.classifier.*", "cls_embed.*"),
    *[(f"transformer_decoder.mask_embedding.{n}.*", f"mask_embed.{2 * n}.*") for n in range(3)],
]
"""Inside the head."""
