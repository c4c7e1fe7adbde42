"""What a segmenter is told about itself: classes, normalisation, and how to build it again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from vit_adapter.backbones import describe_backbone
from vit_adapter.config import ClassTable, InputError, ModelConfig, Normalization


def describe(backbone: nn.Module, head: dict[str, Any] | None) -> ModelConfig | None:
    """What rebuilds a model; None when a part was given as a module of the caller's own."""
    arguments = describe_backbone(backbone)
    if arguments is None or head is None:
        return None
    if arguments["norm"] != head["norm"]:
        raise InputError(f"norm={arguments['norm']!r} in the backbone but {head['norm']!r} in the head")
    return replace(ModelConfig(), **{**arguments, **head})


def class_table(
    num_classes: int | None, class_names: Sequence[str] | None, classes: ClassTable | None
) -> ClassTable:
    """The classes of a model from any of the three ways to name them.

    Raises:
        InputError: None is given, or they contradict each other.
    """
    if classes is None:
        if class_names is not None:
            classes = ClassTable(tuple(class_names), tuple(range(len(class_names))))
        elif num_classes is not None:
            if num_classes < 1:
                raise InputError(f"num_classes={num_classes}, expected at least 1")
            classes = ClassTable.numbered(num_classes)
        else:
            raise InputError("a Segmenter needs num_classes, class_names or classes")
    if num_classes is not None and num_classes != len(classes):
        raise InputError(f"num_classes={num_classes}, but {len(classes)} classes are named")
    return classes


def normalization_of(backbone: nn.Module) -> Normalization:
    """What the backbone's ViT was trained with; ImageNet's where it does not say."""
    return getattr(backbone, "normalization", Normalization())
