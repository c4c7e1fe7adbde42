"""A model that is held open for images which come one by one: what a server and a web page need of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from vit_adapter.config import ClassTable, InferenceConfig, InputError, TaskName
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.config.values import check_argument
from vit_adapter.images import read_image
from vit_adapter.inference.limits import check_threshold

from .applied_predictor import (
    ApplicationOptions,
    AppliedPredictor,
    refuse_object_options,
    refuse_pixel_options,
)
from .predictor import PredictionSettings, Predictor

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.prediction import Prediction

SERVED_PIXELS = 50_000_000
"""Pixels of an image that a server takes unless told otherwise: those of a large camera."""


@dataclass(frozen=True)
class OpenModel:
    """A loaded model and how it is applied.

    Attributes:
        name: What it is called; nothing of where it lies.
        place: As it was named, which may say where it lies.
        applied: The model, and how it is applied unless a request says otherwise.
        tasks: What it can be asked for, its own task first.
        max_pixels: Images of more pixels, width x height, are refused.
    """

    name: str
    place: str
    applied: AppliedPredictor
    tasks: tuple[TaskName, ...]
    max_pixels: int

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.applied.classes

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return self.applied.channels

    @property
    def protocol(self) -> InferenceConfig:
        """How it is applied unless a wish says otherwise."""
        return self.applied.protocol

    @property
    def batch_size(self) -> int:
        """Images of one size, and windows, processed together."""
        return self.applied.batch_size

    def told(self, error: Exception) -> str:
        """What an error says, for people elsewhere: without the place of the model on this machine."""
        return str(error).replace(self.place, self.name) if self.place else str(error)

    def wish(
        self,
        task: TaskName | None = None,
        *,
        threshold: float | None = None,
        score_threshold: float | None = None,
        mask_threshold: float | None = None,
        min_area: int | None = None,
    ) -> PredictionSettings:
        """What is asked of an image, checked; arguments are those of ``predict``.

        Raises:
            InputError: The model cannot answer that, or a value is out of its range.
        """
        asked = self.tasks[0] if task is None else task
        if asked not in self.tasks:
            raise InputError(f"task {asked!r}: this model answers {', '.join(self.tasks)}")
        if asked != "semantic":
            refuse_pixel_options(asked, threshold=threshold)
        check_argument("threshold", threshold, float | None, at_least=0, at_most=1)
        check_threshold(threshold, len(self.classes))
        protocol = with_thresholds(self.protocol, score_threshold, mask_threshold, min_area)
        refuse_object_options(asked, score_threshold, mask_threshold, min_area)
        wish = PredictionSettings(asked, protocol, threshold, self.batch_size, self.applied.precision)
        self.applied.predictor.check(wish, None)
        return wish

    def read(self, content: bytes, name: str = "image") -> np.ndarray:
        """The pixels [H, W, C] of an image file.

        Args:
            content: The bytes of the file, see ``images.read_image``.
            name: How messages call it.

        Raises:
            InputError: There is no image in it, or not one that the model takes.
            TooManyPixelsError: It has more than ``max_pixels``.
        """
        return read_image(
            content,
            self.channels,
            max_pixels=self.max_pixels,
            value_range=self.protocol.value_range,
            name=name,
        )

    def segment(self, images: Sequence[np.ndarray], wish: PredictionSettings) -> "Sequence[Prediction]":
        """The answers for several images, in their order; images of one size share calls of the model.

        Args:
            images: As ``read`` gives them.
            wish: As ``wish`` gives it.

        Raises:
            InputError: The model cannot be applied to an image.
        """
        return self.applied.predictor.segment_together(images, wish)

    def try_out(self) -> None:
        """Applies the model to a grey image, so that what is slow the first time, or fails, does it now."""
        side = max(64, min(self.protocol.crop, 1024))
        pixel_type = np.uint8 if self.channels in (1, 3) else np.float32
        grey = np.full((side, side, self.channels), 128, pixel_type)
        for task in self.tasks:
            self.segment([grey], self.wish(task))


@takes_paths("model", "checkpoint")
def open_model(
    model: "str | Path | Segmenter",
    checkpoint: str | Path | None = None,
    *,
    max_pixels: int = SERVED_PIXELS,
    quiet: bool = False,
    **options: Any,
) -> OpenModel:
    """Opens a model for images that come one by one.

    Args:
        model: A model, what ``load`` takes, or a file NAME.onnx or NAME.xml that ``export`` wrote.
        checkpoint: For a recipe: its weights.
        max_pixels: Images of more pixels, width x height, are refused.
        quiet: Do not say what was done.
        options: How it is applied, as ``ApplicationOptions`` names it: ``device``, ``batch_size``, ``precision``,
            ``fast``, ``dtype``, ``protocol``, ``task`` ...

    Raises:
        InputError: An argument or the model cannot be used.
    """
    check_argument("--max-pixels", max_pixels, int, at_least=1)
    applied = AppliedPredictor.prepared(
        model, ApplicationOptions(checkpoint=checkpoint, **options), quiet=quiet
    )
    others = (name for name in get_args(TaskName) if name != applied.task)
    tasks = (applied.task, *(name for name in others if _answers(applied.predictor, name)))
    place = str(model) if isinstance(model, (str, Path)) else ""
    opened = OpenModel(_name(model), place, applied, tasks, max_pixels)
    _ = opened.channels  # refuses a normalisation of other channels
    return opened


def _answers(predictor: Predictor, task: TaskName) -> bool:
    try:
        predictor.asked(task)
    except InputError:
        return False
    return True


def _name(model: "str | Path | Segmenter") -> str:
    """What a model is called: of a path its end, since a server's folders are nobody's business."""
    if not isinstance(model, (str, Path)):
        return "model"
    path = Path(model)
    return path.resolve().name if path.exists() else str(model)
