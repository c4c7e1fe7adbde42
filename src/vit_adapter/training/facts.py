"""What a model records about its training: kept in ``config.json`` and shown by the model card."""

from typing import Any

from torch import nn


def note_facts(model: nn.Module, **facts: Any) -> None:
    """Adds to ``Segmenter.training_facts``; other models have none."""
    known: dict[str, Any] | None = getattr(model, "training_facts", None)
    if known is not None:
        model.training_facts = {**known, **facts}  # pyright: ignore


def described(model: nn.Module) -> dict[str, Any] | None:
    """What ``config.json`` would hold, for a checkpoint; None for models that no file can describe."""
    if getattr(model, "model_config", None) is None:
        return None
    return model.to_dict()  # pyright: ignore
