"""A model that is held open for images which come one by one: what a server and a web page need of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vit_adapter.config import ClassTable, InferenceConfig, InputError, TaskName
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.config.values import check_argument
from vit_adapter.images import read_image
from vit_adapter.inference.limits import check_threshold

from .mirroring import application_notes, print_notes
from .predictor import Predictor, open_predictor
from .protocols import ProtocolChanges, applied_protocol

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.optimizing import OptimizeType
    from vit_adapter.segmenter.prediction import Prediction

Precision = Literal["float32", "bfloat16", "float16"]
SERVED_PIXELS = 50_000_000
"""Pixels of an image that a server takes unless told otherwise: those of a large camera."""


@dataclass(frozen=True)
class Wish:
    """What is asked of an image; equal wishes can be answered together.

    Attributes:
        task: What is asked for.
        protocol: How the model is applied, thresholds of objects among it.
        threshold: For one or two classes: smallest probability of the last one.
    """

    task: TaskName
    protocol: InferenceConfig
    threshold: float | None = None


@dataclass(frozen=True)
class OpenModel:
    """A loaded model and how it is applied.

    Attributes:
        name: What it is called; nothing of where it lies.
        predictor: The model.
        tasks: What it can be asked for, its own task first.
        protocol: How it is applied unless a wish says otherwise.
        batch_size: Windows processed together.
        precision: Of the network.
        max_pixels: Images of more pixels, width x height, are refused.
    """

    name: str
    predictor: Predictor
    tasks: tuple[TaskName, ...]
    protocol: InferenceConfig
    batch_size: int
    precision: Precision
    max_pixels: int

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.predictor.classes

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return self.predictor.channels(self.protocol)

    def wish(
        self,
        task: TaskName | None = None,
        *,
        threshold: float | None = None,
        score_threshold: float | None = None,
        mask_threshold: float | None = None,
        min_area: int | None = None,
    ) -> Wish:
        """What is asked of an image, checked; arguments are those of ``predict``.

        Raises:
            InputError: The model cannot answer that, or a value is out of its range.
        """
        asked = self.tasks[0] if task is None else task
        if asked not in self.tasks:
            raise InputError(f"task {asked!r}: this model answers {', '.join(self.tasks)}")
        if threshold is not None:
            if asked != "semantic":
                raise InputError(
                    f"threshold: is for the task semantic, not for {asked}; take score_threshold"
                )
            check_argument("threshold", threshold, float, at_least=0, at_most=1)
            check_threshold(threshold, len(self.classes))
        protocol = with_thresholds(self.protocol, score_threshold, mask_threshold, min_area)
        return Wish(asked, protocol, threshold)

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

    def segment(self, images: Sequence[np.ndarray], wish: Wish) -> "Sequence[Prediction]":
        """The answers for several images, in their order; images of one size share calls of the model.

        Args:
            images: As ``read`` gives them.
            wish: As ``wish`` gives it.

        Raises:
            InputError: The model cannot be applied to an image.
        """
        return self.predictor.segment_together(
            images,
            protocol=wish.protocol,
            batch_size=self.batch_size,
            threshold=wish.threshold,
            precision=self.precision,
            task=wish.task,
        )

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
    device: str = "auto",
    batch_size: int = 4,
    precision: Precision = "float32",
    fast: bool = False,
    dtype: "OptimizeType | None" = None,
    protocol: ProtocolChanges = None,
    max_pixels: int = SERVED_PIXELS,
    task: TaskName | None = None,
    quiet: bool = False,
) -> OpenModel:
    """Opens a model for images that come one by one.

    Args:
        model: A model, what ``load`` takes, or a file NAME.onnx that ``export`` wrote.
        checkpoint: For a recipe: its weights.
        device: Where it runs.
        batch_size: Windows processed together.
        precision: Of the network.
        fast: Optimize the model for this device first, see ``predict``.
        dtype: The same, with weights of this type.
        protocol: What should differ in the way the model is applied, see ``predict``.
        max_pixels: Images of more pixels, width x height, are refused.
        task: What it is asked for unless a wish names something; None: what the model was trained for.
        quiet: Do not say what was done.

    Raises:
        InputError: An argument or the model cannot be used.
    """
    check_argument("--batch-size", batch_size, int, at_least=1)
    check_argument("--max-pixels", max_pixels, int, at_least=1)
    if precision not in get_args(Precision):
        raise InputError(f"--precision {precision}: expected {', '.join(get_args(Precision))}")
    if (fast or dtype is not None) and precision != "float32":
        raise InputError(f"--precision {precision} beside --{'fast' if fast else 'dtype'}: take one of them")
    predictor = open_predictor(model, checkpoint, device)
    own = predictor.asked(task)
    tasks = (own, *(name for name in get_args(TaskName) if name != own and _answers(predictor, name)))
    applied = applied_protocol(predictor, protocol, recipe=predictor.recipe)
    print_notes(application_notes(predictor, applied, False))
    if fast or dtype is not None:
        predictor = predictor.optimized(fast, dtype, quiet)
    opened = OpenModel(_name(model), predictor, tasks, applied, batch_size, precision, max_pixels)
    predictor.channels(applied)  # refuses a normalisation of other channels
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
