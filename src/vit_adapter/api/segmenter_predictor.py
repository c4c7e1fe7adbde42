"""A segmenter as ``predict`` applies it."""

import copy
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import ClassTable, InferenceConfig, Precision, TaskName
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.inference.cost import count_windows
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.optimizing import fastest
from vit_adapter.segmenter.parts import channels_of
from vit_adapter.segmenter.prediction import Prediction
from vit_adapter.zoo import DetectionRecipe, Recipe

from .models import load_named
from .predictor import PredictionSettings
from .progress import windows_counted


@dataclass(frozen=True)
class SegmenterPredictor:
    """See ``Predictor``.

    Attributes:
        model: The segmenter.
        recipe: The published model that it is, where it was named as one.
        given: The model is the caller's own, which stays as it is.
    """

    model: Segmenter
    recipe: Recipe | DetectionRecipe | None = None
    given: bool = False

    @classmethod
    def named(
        cls, model: str | Path | Segmenter, checkpoint: str | Path | None, device: str
    ) -> "SegmenterPredictor":
        """Of a model, or of what ``load`` takes; errors as for ``load``."""
        return (
            cls(model, given=True)
            if isinstance(model, Segmenter)
            else cls(*load_named(model, checkpoint, device))
        )

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.model.classes

    @property
    def protocol(self) -> InferenceConfig:
        """How the model is applied to an image."""
        return self.model.protocol

    def asked(self, task: TaskName | None) -> TaskName:
        """See ``Predictor``."""
        return self.model.task_named(task).name

    def channels(self, protocol: InferenceConfig) -> int:
        """Channels of its images; errors as in ``Predictor``."""
        return channels_of(self.model, protocol)

    def fingerprint(self, settings: dict[str, Any]) -> str:
        """See ``Predictor``. Of every tensor the beginning counts: training changes all of them, and it stays fast."""
        digest = hashlib.sha256(repr((sorted(settings.items()), self.classes)).encode())
        for name, value in self.model.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.reshape(-1)[:256].double().cpu().numpy().tobytes())
        return digest.hexdigest()[:32]

    def optimized(self, fast: bool, dtype: Precision | None, quiet: bool) -> "SegmenterPredictor":
        """See ``Predictor``."""
        model = copy.deepcopy(self.model) if self.given else self.model
        mode, fastest_type = fastest(model.device) if fast else ("eager", None)
        model.optimize(mode, dtype or fastest_type)
        if not quiet:
            print(f"optimized: {', '.join(model.optimizations)}", file=sys.stderr)
        return replace(self, model=model)

    def check(self, how: PredictionSettings, scores: str | None) -> None:
        """See ``Predictor``; a segmenter can do all of it."""

    def segment(self, image: np.ndarray, how: PredictionSettings, bar: ProgressBar) -> Prediction:
        """Segments an image, see ``Predictor``; scores that are asked of the result later run the model again."""
        with windows_counted(bar, self.model, count_windows((image.shape[0], image.shape[1]), how.protocol)):
            return self.model.predict(image, **_arguments(how))

    def segment_together(self, images: Sequence[np.ndarray], how: PredictionSettings) -> list[Prediction]:
        """Segments several images, see ``Predictor``."""
        return self.model.predict(list(images), **_arguments(how))


def _arguments(how: PredictionSettings) -> dict[str, Any]:
    """As ``Segmenter.predict`` takes them."""
    return {field.name: getattr(how, field.name) for field in fields(PredictionSettings)}
