"""How a model is applied: its own protocol with what a caller names."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vit_adapter.config import DataConfig, InferenceConfig, RunConfig, changed_protocol
from vit_adapter.config.normalization import with_data_normalization
from vit_adapter.config.protocol import default_stride
from vit_adapter.inference import check_protocol
from vit_adapter.zoo import DetectionRecipe, Recipe

from .predictor import Applied

ProtocolChanges = InferenceConfig | Mapping[str, Any] | None
"""A whole protocol, or settings of it by name (see ``changed_protocol``), or nothing."""


def applied_protocol(
    model: Applied,
    changes: ProtocolChanges = None,
    *,
    tta: bool = False,
    recipe: Recipe | DetectionRecipe | None = None,
    data: DataConfig | None = None,
) -> InferenceConfig:
    """The protocol of one evaluation or prediction; the model's own stays as it is.

    Args:
        model: Whose protocol holds for everything that is not named.
        changes: What should differ; it also holds against the multi-scale form.
        tta: Begin with the published multi-scale form instead.
        recipe: The published model that ``model`` is: its own multi-scale form is taken, where it has one.
        data: Settings of the data: a mean or deviation in them replaces the model's.

    Raises:
        InputError: There is no such setting, or its value cannot be used.
    """
    if isinstance(changes, InferenceConfig):
        protocol = multi_scale_form(changes) if tta else changes
    else:
        protocol = model.protocol
        if tta:
            published = None if recipe is None else recipe.multi_scale
            protocol = published or multi_scale_form(protocol)
        protocol = changed_protocol(protocol, changes)
        if tta and changes is not None and "tta_flip" in changes and "flip" not in changes:
            protocol = replace(protocol, flip=protocol.tta_flip)
    if data is not None:
        protocol = with_data_normalization(protocol, data, changes)
    check_protocol(protocol)
    return protocol


def trained_protocol(config: RunConfig, model: Applied) -> InferenceConfig:
    """How a model is applied after training.

    As the configuration's protocol says, where it has a whole one, as recipes do. Otherwise by windows of the training
    crop, two thirds of a crop apart, with the ViT's own normalisation, and with what the configuration names of it. A
    mean or deviation of the data settings comes on top.

    Args:
        config: Everything that the run needs; its crop is known.
        model: Whose normalisation holds unless set otherwise.

    Raises:
        InputError: See ``applied_protocol``.
    """
    if isinstance(config.protocol, InferenceConfig):
        base = config.protocol
    else:
        crop = config.data.augmentation.crop
        assert crop is not None
        # Left and right may differ for a model that has seen no mirror image.
        base = InferenceConfig(
            crop=crop,
            stride=default_stride(crop),
            tta_flip=config.data.augmentation.flip > 0,
            normalization=model.protocol.normalization,
        )
    protocol = with_data_normalization(changed_protocol(base, config.protocol), config.data, config.protocol)
    check_protocol(protocol)
    return protocol


def multi_scale_form(protocol: InferenceConfig) -> InferenceConfig:
    """The published multi-scale form: six scales, each with its mirror image unless ``tta_flip`` says no."""
    flip = protocol.flip or protocol.tta_flip
    return replace(protocol, scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=flip)
