"""Models with a Mask2Former head as Hugging Face's ``Mask2FormerForUniversalSegmentation``, and back.

Both implement the same network. Names differ, and so do the projections of queries, keys and values, which lie in one
matrix here and in three there. Hugging Face fixes 32 groups of the norms, three levels and four sampling points; all
published models have these.
"""

import torch
from torch import Tensor
from transformers import Mask2FormerConfig as TransformersConfig
from transformers import Mask2FormerForUniversalSegmentation

from vit_adapter.backbones.backbone import PlainViTBackbone
from vit_adapter.config import InputError, Mask2FormerConfig
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.official import below, translator

from .transformers import ViTAdapterBackbone, ViTAdapterBackboneConfig

GROUPS, POINTS = 32, 4
BACKBONE = "model.pixel_level_module.encoder."
"""Beginning of the names of a backbone's weights in a model of Hugging Face."""

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


def to_transformers(model: Segmenter) -> Mask2FormerForUniversalSegmentation:
    """A model of ours with a Mask2Former head as one of Hugging Face's.

    Args:
        model: With ``ViTAdapter`` as its backbone, built from names: one of ``load``, ``build`` or ``from_pretrained``.

    Returns:
        A model with copies of all weights, in evaluation mode. It takes images as ``model.forward`` does, normalised,
        with sides that are multiples of 32, and gives ``class_queries_logits`` [B, Q, K + 1] and
        ``masks_queries_logits`` [B, Q, H/4, W/4]. It can be saved and loaded with ``save_pretrained`` and
        ``from_pretrained`` once ``vit_adapter.integrations.transformers`` is imported.

    Raises:
        InputError: It has another head or backbone, or settings that Hugging Face's form does not have.
    """
    head = model.head
    if not isinstance(head, Mask2FormerHead) or model.model_config is None:
        raise InputError(
            f"the model's head is {type(head).__name__}: expected Mask2Former, built from its settings"
        )
    settings = model.model_config.head
    assert isinstance(settings, Mask2FormerConfig)
    if not isinstance(model.backbone, PlainViTBackbone):
        raise InputError(f"the model's backbone is {type(model.backbone).__name__}: expected a ViTAdapter")
    config = TransformersConfig(
        backbone_config=ViTAdapterBackbone.of(model.backbone).config,
        feature_size=settings.channels,
        mask_feature_size=settings.channels,
        hidden_dim=settings.channels,
        encoder_layers=settings.encoder_layers,
        encoder_feedforward_dim=settings.encoder_feedforward,
        decoder_layers=settings.decoder_layers + 1,  # it counts the prediction before the first layer
        dim_feedforward=settings.decoder_feedforward,
        num_attention_heads=settings.heads,
        num_queries=settings.queries,
        train_num_points=settings.loss_points,
        ignore_value=model.classes.ignore_index,
        id2label=dict(enumerate(model.class_names)),
        label2id={name: index for index, name in enumerate(model.class_names)},
    )
    made = Mask2FormerForUniversalSegmentation(config)
    state = {f"{BACKBONE}adapter.{name}": tensor for name, tensor in model.backbone.state_dict().items()}
    missing, unknown = made.load_state_dict(state | _their_state(head), strict=False)
    # The loss keeps the weight of every class as a buffer, which follows from the configuration.
    if unknown or any(not name.startswith("criterion.") for name in missing):
        raise InputError(
            f"weights that Hugging Face's Mask2Former has no place for: {[*unknown, *missing][:3]}"
        )
    made.to(device=model.device)  # pyright: ignore[reportCallIssue] (declared without its arguments)
    return made.eval()


def from_transformers(model: Mask2FormerForUniversalSegmentation) -> Segmenter:
    """A model of Hugging Face with a ``ViTAdapterBackbone`` as one of ours, such as one that was trained there.

    Args:
        model: Its class names are those of its ``config.id2label``.

    Returns:
        A model with copies of all weights, in evaluation mode. How it is applied to images, its ``protocol``, is the
        default with the normalisation of its ViT.

    Raises:
        InputError: It has another backbone (``head_from_transformers`` takes the head alone), or settings that the head
            does not have.
    """
    encoder = model.model.pixel_level_module.encoder
    if not isinstance(encoder, ViTAdapterBackbone):
        raise InputError(
            f"the model's backbone is {type(encoder).__name__}, expected ViTAdapterBackbone; head_from_transformers "
            "takes its head alone"
        )
    names = [name for _, name in sorted((model.config.id2label or {}).items())]
    assert isinstance(encoder.config, ViTAdapterBackboneConfig)
    backbone = ViTAdapterBackbone(encoder.config).adapter
    backbone.load_state_dict(encoder.adapter.state_dict())
    made = Segmenter(backbone, _settings_of(model.config), class_names=names)
    made.head.load_state_dict(_our_state(model))
    return made.eval().to(model.device)


def head_from_transformers(model: Mask2FormerForUniversalSegmentation) -> Mask2FormerHead:
    """The head of a model of Hugging Face, whatever its backbone: on maps of that backbone's widths.

    Raises:
        InputError: It has settings that our head does not have.
    """
    config = model.config
    decoder = model.model.pixel_level_module.decoder
    head = Mask2FormerHead(
        decoder.feature_channels,
        config.num_labels or 0,
        _settings_of(config),
        mask_channels=config.mask_feature_size,
        project_inputs=config.enforce_input_projection,
    )
    head.load_state_dict(_our_state(model))
    return head.eval().to(model.device)


def _settings_of(config: TransformersConfig) -> Mask2FormerConfig:
    """Our settings of a head there.

    Raises:
        InputError: Ours cannot be like it.
    """
    expected = {
        "pre_norm": False,
        "activation_function": "relu",
        "common_stride": 4,
        "feature_strides": [4, 8, 16, 32],
        "feature_size": config.hidden_dim,
    }
    for name, value in expected.items():
        found = getattr(config, name)
        found = list(found) if isinstance(found, tuple) else found
        if found != value:
            raise InputError(f"{name}={found!r} in the model's configuration, expected {value!r}")
    return Mask2FormerConfig(
        queries=config.num_queries,
        channels=config.hidden_dim,
        heads=config.num_attention_heads,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers - 1,
        encoder_feedforward=config.encoder_feedforward_dim,
        decoder_feedforward=config.dim_feedforward,
        loss_points=config.train_num_points,
    )


def _their_state(head: Mask2FormerHead) -> dict[str, Tensor]:
    """The head's weights under Hugging Face's names (behaviour 104)."""
    state = {}
    for name, tensor in head.state_dict().items():
        theirs = _to_theirs(name)
        assert theirs is not None, name
        if _PACKED in theirs:
            state |= {theirs.replace(_PACKED, part): third for part, third in zip(_PARTS, tensor.chunk(3))}
        else:
            state[theirs] = tensor
    return state


def _our_state(model: Mask2FormerForUniversalSegmentation) -> dict[str, Tensor]:
    """The weights of the head of a model there, under our names."""
    state = {}
    theirs = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith((BACKBONE, "criterion."))
    }
    for name, tensor in theirs.items():
        first = next((part for part in _PARTS if part in name and ".decoder.layers." in name), None)
        if first in _PARTS[1:]:
            continue  # taken with the queries' matrix
        if first is not None:
            tensor = torch.cat([theirs[name.replace(first, part)] for part in _PARTS])
            name = name.replace(first, _PACKED)
        ours = _to_ours(name)
        assert ours is not None, name
        state[ours] = tensor
    return state
