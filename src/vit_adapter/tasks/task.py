"""The form of a task: what a head is asked for, and how its answer becomes a result that can be measured."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypedDict, TypeVar

import numpy as np
from torch import Tensor

from vit_adapter.annotations import Annotation, InstanceTensors
from vit_adapter.config import ClassTable, TaskName
from vit_adapter.heads import Objects, Targets
from vit_adapter.metrics import Evaluator

from .answers import Answers, DecodeSettings
from .result import Result

AnyResult = TypeVar("AnyResult", bound=Result, covariant=True)
AnyEvaluator = TypeVar("AnyEvaluator", bound=Evaluator, covariant=True)


@dataclass(frozen=True)
class TrainingTruth:
    """What is true of a batch of training images.

    Attributes:
        labels: int64 [B, H, W], see ``Targets``.
        objects: Of each image, crowds among them; None: not known.
    """

    labels: Tensor
    objects: Sequence[Objects] | None = None

    @classmethod
    def of(cls, labels: Tensor, objects: Sequence[Objects | InstanceTensors] | None) -> "TrainingTruth":
        """Of labels, and of objects as a user or as the batches of a data set have them."""
        if objects is None:
            return cls(labels)
        return cls(labels, [Objects(one.classes, one.boxes, one.masks, one.crowd) for one in objects])


class Thresholds(TypedDict, total=False):
    """Arguments of ``Segmenter.predict``; what is not named is as the protocol says."""

    score_threshold: float
    min_area: int


@dataclass(frozen=True)
class Task(Generic[AnyResult, AnyEvaluator]):
    """What differs between tasks.

    Attributes:
        name: Its name, as heads say it.
        targets: From truth, classes and the (height, width) that the pyramid covers to what a head learns.
        decode: From the head's answers to windows, and images [H, W, C], to the results in the order of the images.
        evaluator: From the classes, the labels that no mean over classes takes in, and how many objects of an image and
            class count, to an evaluator that has counted nothing.
        headline: Name of that evaluator's score by which models are compared.
        drawn: From an image, its truth and the classes to a result that draws the truth as predictions are drawn.
        needs_objects: It learns from objects and is measured by them, labels are not enough.
        measured_with: Arguments of ``Segmenter.predict`` under which results are measured.
    """

    name: TaskName
    targets: Callable[[TrainingTruth, ClassTable, tuple[int, int]], Targets]
    decode: Callable[[Answers, Sequence[np.ndarray], DecodeSettings], list[AnyResult]]
    evaluator: Callable[[ClassTable, Collection[int], int], AnyEvaluator]
    headline: str
    drawn: Callable[[np.ndarray, Annotation, ClassTable], Result]
    needs_objects: bool = False
    measured_with: Thresholds = field(default_factory=lambda: Thresholds())
