"""An image cut into segments: every pixel belongs to one of them or to none."""

from dataclasses import dataclass

import numpy as np

from vit_adapter.config import InputError


@dataclass(frozen=True, eq=False)
class Segments:
    """N segments that do not overlap; truth and prediction alike.

    Attributes:
        ids: int32 [H, W]: 1..N, the number of the segment of each pixel; 0: none ("void").
        classes: int64 [N], contiguous labels, of segment 1, 2 ...
        scores: float32 [N], confidence 0..1 of a prediction; None: truth.
        crowd: bool [N], regions of many objects that were not annotated one by one; None: there are none.

    Raises:
        InputError: Counts differ, values have the wrong type, or there is a number without a segment.
    """

    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None

    def __post_init__(self) -> None:
        ids, classes = np.asarray(self.ids), np.asarray(self.classes)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise InputError(
                f"segments have shape {ids.shape} and dtype {ids.dtype}, expected integers [H, W]"
            )
        if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "iu"):
            raise InputError(
                f"classes of segments have shape {classes.shape} and dtype {classes.dtype}, expected integers [N]"
            )
        if ids.size and (ids.min() < 0 or ids.max() > len(classes)):
            wrong = int(ids.min() if ids.min() < 0 else ids.max())
            raise InputError(f"a pixel belongs to segment {wrong}, expected 0 to {len(classes)}")
        object.__setattr__(self, "ids", ids.astype(np.int32))
        object.__setattr__(self, "classes", classes.astype(np.int64))
        if self.scores is not None:
            object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float32))
        if self.crowd is not None:
            object.__setattr__(self, "crowd", np.asarray(self.crowd, dtype=bool))
        for name in ("scores", "crowd"):
            values = getattr(self, name)
            if values is not None and len(values) != len(classes):
                raise InputError(f"{len(classes)} segments, but {len(values)} {name}")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def areas(self) -> np.ndarray:
        """int64 [N], in pixels."""
        return np.bincount(self.ids.reshape(-1), minlength=len(self) + 1)[1:]

    def labels(self, nothing: int) -> np.ndarray:
        """The class of every pixel [H, W], uint8 or uint16; ``nothing`` where no segment is."""
        dtype = np.uint8 if max(nothing, int(self.classes.max(initial=0))) <= 255 else np.uint16
        return np.array([nothing, *self.classes.tolist()], dtype)[self.ids]
