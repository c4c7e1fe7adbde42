"""What ``predict`` needs of a model, wherever it runs: as a segmenter, or as an exported file without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vit_adapter.config import ClassTable, InferenceConfig, Precision, TaskName
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.export.description import EXPORTED_SUFFIXES
from vit_adapter.zoo import DetectionRecipe, Recipe

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.prediction import Prediction


@dataclass(frozen=True)
class PredictionSettings:
    """How a model is applied to images, all changes worked in; images with equal ones can share calls of the model.

    Attributes:
        task: What is asked for.
        protocol: From an image to what the network sees and back; thresholds of objects are in it.
        threshold: For one or two classes: smallest probability of the last one.
        batch_size: Windows, and images of one size, processed together.
        precision: Of the network.
    """

    task: TaskName
    protocol: InferenceConfig
    threshold: float | None = None
    batch_size: int = 4
    precision: Precision = "float32"


class Applied(Protocol):
    """What is known of a model that is applied to images.

    Attributes:
        classes: Its classes.
        protocol: Its own way of being applied.
    """

    @property
    def classes(self) -> ClassTable: ...

    @property
    def protocol(self) -> InferenceConfig: ...


class Predictor(Applied, Protocol):
    """A model that is applied to images one after the other.

    Attributes:
        recipe: The published model that it is, where it was named as one.
    """

    @property
    def recipe(self) -> Recipe | DetectionRecipe | None: ...

    def asked(self, task: TaskName | None) -> TaskName:
        """What the model is asked for: what is named, or what it was trained for.

        Raises:
            InputError: It cannot answer that.
        """
        ...

    def channels(self, protocol: InferenceConfig) -> int:
        """Channels of its images.

        Raises:
            InputError: The protocol normalises another number of channels.
        """
        ...

    def fingerprint(self, settings: dict[str, Any]) -> str:
        """Equal for equal labels of the same image: of the weights, the classes and the settings (their ``repr``)."""
        ...

    def optimized(self, fast: bool, dtype: Precision | None, quiet: bool) -> "Predictor":
        """The same model made faster, see ``Segmenter.optimize``; what a user gave stays as it is.

        Args:
            fast: In the fastest way that this machine has.
            dtype: Type of the weights; None: as ``fast`` says.
            quiet: Do not say what was done.

        Raises:
            InputError: It cannot be.
        """
        ...

    def check(self, how: PredictionSettings, scores: str | None) -> None:
        """Refuses, before the work, what would fail for every image.

        Args:
            how: How the model is to be applied.
            scores: The option, if any, that asks for probabilities.

        Raises:
            InputError: The model cannot do something of it.
        """
        ...

    def segment(self, image: np.ndarray, how: PredictionSettings, bar: ProgressBar) -> "Prediction":
        """Segments an image [H, W, C].

        Args:
            image: As ``images.read_image`` gives it.
            how: As ``check`` took it.
            bar: Where windows that are done are shown.
        """
        ...

    def segment_together(
        self, images: Sequence[np.ndarray], how: PredictionSettings
    ) -> "Sequence[Prediction]":
        """Segments several images [H, W, C]; windows of images of one size share calls where the model can.

        Scores are not kept.
        """
        ...


def open_predictor(model: "str | Path | Segmenter", checkpoint: str | Path | None, device: str) -> Predictor:
    """The predictor of what a user names.

    Args:
        model: A model, what ``load`` takes, or a file that ``export`` wrote.
        checkpoint: For a recipe: its weights.
        device: Where it runs; an exported file runs where its runtime can.

    Raises:
        InputError: There is no such model, or it cannot be used.
    """
    if isinstance(model, (str, Path)) and Path(model).suffix.lower() in EXPORTED_SUFFIXES:
        from .exported_predictor import ExportedPredictor

        return ExportedPredictor(Path(model), checkpoint, device)
    from .segmenter_predictor import SegmenterPredictor

    return SegmenterPredictor.named(model, checkpoint, device)
