"""What is said where mirror images meet classes of the left and of the right."""

import sys

from vit_adapter.config import ClassTable, Protocol
from vit_adapter.config.mirrored import mirror_warning
from vit_adapter.segmenter import Segmenter


def training_notes(classes: ClassTable, probability: float) -> list[str]:
    """Lines for a run that mirrors its images with a probability, 0..1."""
    mirrors = f"data.augmentation.flip {probability:g}"
    warning = mirror_warning(classes, mirrors, "set --data.augmentation.flip 0") if probability else None
    return [] if warning is None else [warning]


def application_notes(model: Segmenter, protocol: Protocol, tta: bool) -> list[str]:
    """Lines for a model that is applied as ``protocol`` says, ``tta`` already worked in."""
    if tta and not protocol.flip and not model.protocol.tta_flip:
        return [
            "trained without mirror images, so tta averages scales alone (--protocol.flip true adds mirror images)"
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
