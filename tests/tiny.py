"""The tiny models of all tests: a ViT of four narrow blocks, a small Mask2Former head, settings by short names."""

from dataclasses import fields, replace
from typing import Any

from vit_adapter.config import Mask2FormerConfig, ModelConfig
from vit_adapter.config.model import changed_model
from vit_adapter.config.model_versions import new_name

TINY_VIT = "vit_tiny_patch16_224"
TINY = {"depth": 4, "embed_dim": 24, "num_heads": 3}
"""Constructor settings that make a tiny ViT of ``TINY_VIT``, and of any other of timm's."""
SMALL_MASK2FORMER = Mask2FormerConfig(
    queries=7,
    channels=32,
    heads=4,
    encoder_layers=1,
    decoder_layers=3,
    encoder_feedforward=48,
    decoder_feedforward=64,
)
TINY_FLAGS = [
    "--model.vit", TINY_VIT, "--model.vit.options", '{"depth": 4, "embed_dim": 24, "num_heads": 3}',
    "--model.vit.pretrained", "false", "--model.vit.img_size", "64", "--model.head.channels", "16",
]  # fmt: skip
"""The same on the command line, with UperNet."""


def changed(model: ModelConfig, **settings: Any) -> ModelConfig:
    """A model with other settings.

    Args:
        model: What is not named stays as it is.
        settings: By the short names that flags had in version 0.1: ``vit``, ``vit_options``, ``frozen``, ``head``,
            ``head_channels`` ...; ``mask2former`` takes the whole head. Those of other heads are left out.
    """
    wide = settings.pop("mask2former", None)
    kinds = {f"{part}.kind": settings.pop(part) for part in ("backbone", "head") if part in settings}
    model = changed_model(model, kinds)
    if wide is not None and model.head.kind == "mask2former":
        model = replace(model, head=wide)
    changes = {new_name(name) or name: value for name, value in settings.items()}
    known = {"norm"} | {
        f"{part}.{one.name}" for part in ("vit", "backbone", "head") for one in fields(getattr(model, part))
    }
    if model.head.kind == "mask2former":  # the short names are those of UperNet and FCN
        known = {name for name in known if not name.startswith("head.")}
    return changed_model(model, {name: value for name, value in changes.items() if name in known})


def tiny_model(**settings: Any) -> ModelConfig:
    """Settings of a tiny model with random weights for images of 64 pixels; see ``changed``."""
    base: dict[str, Any] = {
        "vit": TINY_VIT,
        "vit_options": TINY,
        "pretrained": False,
        "img_size": 64,
        "head_channels": 16,
        "auxiliary_channels": 8,
    }
    return changed(ModelConfig(), **{**base, **settings})
