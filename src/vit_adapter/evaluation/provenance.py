"""What a file of scores refers to: the model, the data, how it was applied, by which version, and when."""

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.segmenter import Segmenter

from .loop import EvaluationResult


def provenance(
    result: EvaluationResult,
    model: Segmenter,
    dataset: AnnotatedImages,
    model_name: str | None = None,
    split: str | None = None,
) -> dict[str, Any]:
    """The head of ``metrics.json``, as plain values.

    Args:
        result: What ``measure`` gave.
        model: The model that was measured.
        dataset: The data set it was measured on.
        model_name: Folder, recipe or repository of the model; None: it was given as an object.
        split: Part of the data set; None: not known.
    """
    described, protocol = (
        getattr(model, "model_config", None),
        result.protocol or getattr(model, "protocol", None),
    )
    data = dataset.config
    return {
        "vit_adapter": _version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "from": model_name,
            "vit": None if described is None else described.vit.name,
            "head": None if described is None else described.head.kind,
            "backbone": None if described is None else described.backbone.kind,
        },
        "data": {
            "root": str(Path(data.root).absolute()) if data.root else None,
            "layout": data.layout,
            "split": split,
            "images": len(dataset),
        },
        "protocol": None if protocol is None else asdict(protocol),
        "evaluation": asdict(result.config),
    }


def _version() -> str | None:
    try:
        return version("vit-adapter")
    except PackageNotFoundError:  # run from its source
        return None
