"""Warnings where mirror images meet left and right classes."""

import sys

from vit_adapter.config import AugmentationConfig, ClassTable, InferenceConfig
from vit_adapter.config.mirrored import mirror_warning

from .predictor import Applied


def training_notes(classes: ClassTable, augmentation: AugmentationConfig) -> list[str]:
    """Lines for a run whose images are mirrored at random."""
    mirrors = augmentation.mirrors()
    if mirrors is None:
        return []
    none = "crops" if "pipeline" in mirrors else "0"
    warning = mirror_warning(classes, mirrors, f"set --{mirrors.split()[0]} {none}")
    return [] if warning is None else [warning]


def application_notes(model: Applied, protocol: InferenceConfig, tta: bool) -> list[str]:
    """Lines for a model that is applied as ``protocol`` says, ``tta`` already worked in."""
    if tta and not protocol.flip and not model.protocol.tta_flip:
        return [
            "trained without mirror images, so tta averages scales only (--protocol.flip true adds mirror images)"
        ]
    if not protocol.flip:
        return []
    mirrors = "tta" if tta else "protocol.flip"
    warning = mirror_warning(model.classes, mirrors, "set --protocol.flip false")
    return [] if warning is None else [warning]


def print_notes(notes: list[str]) -> None:
    """One line each on the error stream."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
