"""The objects of an image, true or predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from vit_adapter.config import InputError

from .boxes import Boxes, boxes_of_masks, checked_boxes
from .run_lengths import RunLengths

Masks: TypeAlias = np.ndarray | Sequence[RunLengths]
"""bool [N, H, W], or the run-lengths of N masks."""


@dataclass(frozen=True, eq=False)
class Instances:
    """N objects; truth and prediction alike.

    Attributes:
        classes: int64 [N], contiguous labels.
        boxes: float32 [N, 4], see ``Boxes``.
        masks: See ``Masks``; None: boxes only.
        scores: float32 [N], confidence 0..1 of a prediction; None: truth.
        crowd: bool [N], regions of many objects that were not annotated one by one; None: there are none.
        areas: float64 [N], pixels as the annotation states them, by which objects count as small or large; None: those
            of the masks.

    Raises:
        InputError: Counts differ, or values have the wrong type.
    """

    classes: np.ndarray
    boxes: Boxes
    masks: Masks | None = None
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None
    areas: np.ndarray | None = None

    def __post_init__(self) -> None:
        classes = np.asarray(self.classes)
        if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "iu"):
            raise InputError(
                f"classes of objects have shape {classes.shape} and dtype {classes.dtype}, expected integers [N]"
            )
        object.__setattr__(self, "classes", classes.astype(np.int64))
        object.__setattr__(self, "boxes", checked_boxes(self.boxes))
        if self.scores is not None:
            object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float32))
        if self.crowd is not None:
            object.__setattr__(self, "crowd", np.asarray(self.crowd, dtype=bool))
        if self.areas is not None:
            object.__setattr__(self, "areas", np.asarray(self.areas, dtype=np.float64))
        if isinstance(self.masks, np.ndarray) and (self.masks.ndim != 3 or self.masks.dtype != bool):
            raise InputError(
                f"masks have shape {self.masks.shape} and dtype {self.masks.dtype}, expected bool [N, H, W]"
            )
        for name in ("boxes", "masks", "scores", "crowd", "areas"):
            values = getattr(self, name)
            if values is not None and len(values) != len(classes):
                raise InputError(f"{len(classes)} objects, but {len(values)} {name}")

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def from_masks(
        cls,
        classes: np.ndarray,
        masks: Masks,
        scores: np.ndarray | None = None,
        crowd: np.ndarray | None = None,
        areas: np.ndarray | None = None,
    ) -> "Instances":
        """Objects whose boxes are the smallest around their masks.

        Raises:
            InputError: See ``Instances``.
        """
        if isinstance(masks, np.ndarray) and (masks.ndim != 3 or masks.dtype != bool):
            raise InputError(
                f"masks have shape {masks.shape} and dtype {masks.dtype}, expected bool [N, H, W]"
            )
        return cls(classes, boxes_of_masks(masks), masks, scores, crowd, areas)
