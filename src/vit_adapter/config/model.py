"""What a model is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from .backbone import AdapterConfig, BackboneConfig, BeitPyramidConfig, BlockPyramidConfig, PyramidConfig
from .changes import with_changes
from .detection_head import ATSSConfig, GFLConfig, SparseRCNNConfig
from .errors import InputError
from .head import FCNConfig, HeadConfig, Mask2FormerConfig, UPerNetConfig
from .two_stage_head import CascadeConfig, HTCConfig, MaskRCNNConfig
from .vit import ViTConfig

BACKBONE_CONFIGS: dict[str, type[BackboneConfig]] = {
    one.kind: one for one in (AdapterConfig, PyramidConfig, BeitPyramidConfig, BlockPyramidConfig)
}
"""By their ``kind``."""
HEAD_CONFIGS: dict[str, type[HeadConfig]] = {
    one.kind: one
    for one in (
        *(UPerNetConfig, FCNConfig, Mask2FormerConfig),
        *(ATSSConfig, GFLConfig, SparseRCNNConfig),
        *(MaskRCNNConfig, CascadeConfig, HTCConfig),
    )
}
"""By their ``kind``."""


@dataclass(frozen=True)
class ModelConfig:
    """A model: a plain ViT, what makes a feature pyramid of it, and a head on that.

    Attributes:
        vit: The ViT.
        backbone: What makes a pyramid of it.
        head: What the pyramid is for.
        norm: Of backbone and head: "batch", or "group" for batches of one.
    """

    vit: ViTConfig = field(default_factory=ViTConfig)
    backbone: BackboneConfig = field(default_factory=AdapterConfig)
    head: HeadConfig = field(default_factory=UPerNetConfig)
    norm: Literal["batch", "group"] = "batch"

    def with_pretrained(self, source: bool | str) -> "ModelConfig":
        """The same with other weights of the ViT: False, True or a file, as ``ViTConfig.pretrained``."""
        return replace(self, vit=replace(self.vit, pretrained=source))


C = TypeVar("C")


def config_of_kind(known: dict[str, type[C]], kind: str, where: str) -> C:
    """The settings of a kind, with its defaults.

    Args:
        known: ``BACKBONE_CONFIGS`` or ``HEAD_CONFIGS``.
        kind: The name.
        where: Argument, for the message.

    Raises:
        InputError: There is no such kind.
    """
    if kind not in known:
        raise InputError(f"{where}={kind!r}, expected one of {', '.join(map(repr, known))}")
    return known[kind]()


def changed_model(model: ModelConfig, changes: Mapping[str, Any]) -> ModelConfig:
    """A model with other settings.

    Args:
        model: What is not named stays as it is.
        changes: By their full names, such as ``{"vit.frozen": "vit", "head.kind": "fcn", "norm": "group"}``. A
            kind that is named comes first: it brings the defaults of its other settings.

    Raises:
        InputError: There is no such setting or kind.
    """
    sections: dict[str, Any] = {}
    for name, value in changes.items():
        part, _, setting = name.partition(".")
        if setting == "kind" and part in ("backbone", "head"):
            known: dict[str, Any] = BACKBONE_CONFIGS if part == "backbone" else HEAD_CONFIGS
            if getattr(model, part).kind != value:
                model = replace(model, **{part: config_of_kind(known, value, f"model.{name}")})
        elif setting:
            sections.setdefault(part, {})[setting] = value
        else:
            sections[part] = value
    return with_changes(model, sections, "model")


def constructor_arguments(config: Any) -> dict[str, Any]:
    """The fields of a configuration by name, without its kind: what its constructor is called with."""
    return {one.name: getattr(config, one.name) for one in fields(config) if one.name != "kind"}
