"""A model together with everything that says how it is applied, checked before the work begins."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from vit_adapter.config import ClassTable, InputError, Precision, TaskName
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.config.values import check_argument
from vit_adapter.inference.limits import check_threshold

from .mirroring import application_notes, print_notes
from .predictor import PredictionSettings, Predictor, open_predictor
from .protocols import ProtocolChanges, applied_protocol

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.prediction import Prediction


@dataclass(frozen=True)
class ApplicationOptions:
    """How a model is to be applied, as a caller of ``predict`` says it; see there."""

    checkpoint: str | Path | None = None
    device: str = "auto"
    batch_size: int = 4
    precision: Precision = "float32"
    fast: bool = False
    dtype: Precision | None = None
    protocol: ProtocolChanges = None
    tta: bool = False
    threshold: float | None = None
    task: TaskName | None = None
    score_threshold: float | None = None
    mask_threshold: float | None = None
    min_area: int | None = None

    def check(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            InputError: There is one.
        """
        check_argument("--batch-size", self.batch_size, int, at_least=1)
        check_argument("--threshold", self.threshold, float | None, at_least=0, at_most=1)
        if self.precision not in get_args(Precision):
            raise InputError(f"--precision {self.precision}: expected float32, bfloat16 or float16")
        if self.precision != "float32" and (self.fast or self.dtype is not None):
            other = "fast" if self.fast else "dtype"
            raise InputError(f"--precision {self.precision} beside --{other}: take one of them")


@dataclass(frozen=True, kw_only=True)
class AppliedPredictor(PredictionSettings):
    """A predictor, and how it is applied in one run.

    Attributes:
        predictor: The model.
    """

    predictor: Predictor

    @classmethod
    def prepared(
        cls,
        model: "str | Path | Segmenter",
        options: ApplicationOptions,
        *,
        scores: str | None = None,
        quiet: bool = False,
    ) -> "AppliedPredictor":
        """Opens a model, and refuses what would fail for every image.

        Args:
            model: What ``predict`` takes.
            options: How it is to be applied.
            scores: The option, if any, that asks for probabilities.
            quiet: Say nothing about optimizations.

        Raises:
            InputError: The model or an option cannot be used.
        """
        options.check()
        predictor = open_predictor(model, options.checkpoint, options.device)
        task = predictor.asked(options.task)
        if task != "semantic":
            refuse_pixel_options(task, threshold=options.threshold, tta=options.tta)
        refuse_object_options(task, options.score_threshold, options.mask_threshold, options.min_area)
        protocol = applied_protocol(predictor, options.protocol, tta=options.tta, recipe=predictor.recipe)
        protocol = with_thresholds(
            protocol, options.score_threshold, options.mask_threshold, options.min_area
        )
        print_notes(application_notes(predictor, protocol, options.tta))
        check_threshold(options.threshold, len(predictor.classes))
        applied = cls(
            predictor=predictor,
            task=task,
            protocol=protocol,
            threshold=options.threshold,
            batch_size=options.batch_size,
            precision=options.precision,
        )
        predictor.check(applied, scores)
        if options.fast or options.dtype is not None:
            applied = replace(applied, predictor=predictor.optimized(options.fast, options.dtype, quiet))
        return applied

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.predictor.classes

    @property
    def channels(self) -> int:
        """Channels of its images; errors as in ``Predictor``."""
        return self.predictor.channels(self.protocol)

    def made_by(self, **settings: Any) -> str:
        """Equal for equal labels of the same image, see ``Predictor.fingerprint``.

        Args:
            settings: What decides about the files besides.
        """
        own = {"protocol": self.protocol, "precision": self.precision, "threshold": self.threshold}
        task = {} if self.task == "semantic" else {"task": self.task}
        return self.predictor.fingerprint({**own, **task, **settings})

    def segment(self, image: np.ndarray, bar: ProgressBar) -> "Prediction":
        """Segments an image [H, W, C]; windows that are done are shown on the bar."""
        return self.predictor.segment(image, self, bar)


def refuse_pixel_options(task: TaskName, **options: object) -> None:
    """Refuses what only label maps have.

    Raises:
        InputError: Something of it is asked for.
    """
    for name, value in options.items():
        if value not in (None, False):
            raise InputError(f"--{name}: is for the task semantic, not for {task}")


def refuse_object_options(
    task: TaskName, score_threshold: float | None, mask_threshold: float | None, min_area: int | None
) -> None:
    """Refuses what only objects and segments have; it would change nothing.

    Raises:
        InputError: Something of it is named for label maps.
    """
    given = {"score-threshold": score_threshold, "mask-threshold": mask_threshold, "min-area": min_area}
    named = [name for name, value in given.items() if value is not None]
    if task == "semantic" and named:
        raise InputError(f"--{named[0]}: is for objects and segments, not for the task semantic")
