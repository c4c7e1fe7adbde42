"""The form of a task: what a head is asked for, and how its answer becomes a result that can be measured."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from vit_adapter.config import ClassTable, InferenceConfig, ScoresAre, TaskName
from vit_adapter.heads import Targets
from vit_adapter.inference.windows import ScoreFunction
from vit_adapter.metrics import Evaluator

from .result import Result

AnyResult = TypeVar("AnyResult", bound=Result, covariant=True)
AnyEvaluator = TypeVar("AnyEvaluator", bound=Evaluator, covariant=True)


@dataclass(frozen=True)
class DecodeSettings:
    """How the answers of a head become results.

    Attributes:
        protocol: How the model is applied to an image.
        classes: The classes of the model.
        scores_are: What the head gives every pixel.
        batch_size: Windows processed together.
        device: Where windows are sent.
        threshold: For two classes: smallest probability of class 1 that makes a pixel class 1; None: the larger.
        held: Scores are kept while they are small, so that labels and scores run the model once; not for many images.
    """

    protocol: InferenceConfig
    classes: ClassTable
    scores_are: ScoresAre
    batch_size: int = 4
    device: str | torch.device = "cpu"
    threshold: float | None = None
    held: bool = True


@dataclass(frozen=True)
class Task(Generic[AnyResult, AnyEvaluator]):
    """What differs between tasks.

    Attributes:
        name: Its name, as heads say it.
        targets: From labels [B, H, W], classes and the (height, width) that the pyramid covers to what a head learns.
        decode: From the head's answer to windows, and images [H, W, C], to the results in the order of the images.
        evaluator: From the classes, and the labels that no mean over classes takes in, to an evaluator that has counted
            nothing.
    """

    name: TaskName
    targets: Callable[[Tensor, ClassTable, tuple[int, int]], Targets]
    decode: Callable[[ScoreFunction, Sequence[np.ndarray], DecodeSettings], list[AnyResult]]
    evaluator: Callable[[ClassTable, Collection[int]], AnyEvaluator]
