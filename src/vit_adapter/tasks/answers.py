"""What a model says of windows and views, and how that becomes results."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vit_adapter.config import ClassTable, InferenceConfig, ScoresAre
from vit_adapter.heads import Detections, JoiningRule, Queries, View
from vit_adapter.inference.windows import ScoreFunction

FindFunction = Callable[[Tensor], Queries | list[Detections]]
"""From normalised images [B, C, h, w] to what a head finds in each of them."""
ViewsFunction = Callable[[Iterable[Tensor], Sequence[View], JoiningRule], Detections]
"""From normalised views [1, C, h, w] of one image to what a head finds in it, in pixels of the image."""


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
class Answers:
    """What a model says of normalised windows [B, C, h, w] of any size.

    Attributes:
        score: Scores of every pixel.
        find: Queries or detections.
        find_in_views: Detections from several views of one image; None: objects are found in one view alone.
    """

    score: ScoreFunction
    find: FindFunction
    find_in_views: ViewsFunction | None = None
