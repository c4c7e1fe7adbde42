"""Models with a Mask2Former head as Hugging Face's ``Mask2FormerForUniversalSegmentation``, and back.

Both implement the same network; the head itself says what it is there (``Head.in_transformers``).
"""

from torch import Tensor
from transformers import Mask2FormerConfig as TransformersConfig
from transformers import Mask2FormerForUniversalSegmentation

from vit_adapter.config import InputError, Mask2FormerConfig
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.heads.mask2former.transformers_names import from_transformers_names
from vit_adapter.segmenter import Segmenter

from .transformers import ViTAdapterBackbone, ViTAdapterBackboneConfig

BACKBONE = "model.pixel_level_module.encoder."
"""Beginning of the names of a backbone's weights in a model of Hugging Face."""


def to_transformers(model: Segmenter) -> Mask2FormerForUniversalSegmentation:
    """A model of ours with a Mask2Former head as one of Hugging Face's.

    Args:
        model: With ``ViTAdapter`` as its backbone, whose ViT was given by its name, as by ``load``, ``build`` and
            ``from_pretrained``.

    Returns:
        A model with copies of all weights, in evaluation mode. It takes images as ``model.forward`` does, normalised,
        with sides that are multiples of 32, and gives ``class_queries_logits`` [B, Q, K + 1] and
        ``masks_queries_logits`` [B, Q, H/4, W/4]. It can be saved and loaded with ``save_pretrained`` and
        ``from_pretrained`` once ``vit_adapter.integrations.transformers`` is imported.

    Raises:
        InputError: It has another head or backbone, or settings that Hugging Face's form does not have.
    """
    form = model.head.in_transformers()
    config = TransformersConfig(
        backbone_config=ViTAdapterBackbone.of(model.backbone).config,
        **form.settings,
        ignore_value=model.classes.ignore_index,
        id2label=dict(enumerate(model.class_names)),
        label2id={name: index for index, name in enumerate(model.class_names)},
    )
    made = Mask2FormerForUniversalSegmentation(config)
    state = {f"{BACKBONE}adapter.{name}": tensor for name, tensor in model.backbone.state_dict().items()}
    missing, unknown = made.load_state_dict(state | form.state, strict=False)
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


def _our_state(model: Mask2FormerForUniversalSegmentation) -> dict[str, Tensor]:
    """The weights of the head of a model there, under our names."""
    return from_transformers_names(
        {
            name: tensor
            for name, tensor in model.state_dict().items()
            if not name.startswith((BACKBONE, "criterion."))
        }
    )
