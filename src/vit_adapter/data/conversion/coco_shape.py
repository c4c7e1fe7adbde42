"""The shape of a COCO object, in any of its forms."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vit_adapter.annotations import RunLengths, checked_polygon, polygons_run_lengths
from vit_adapter.config import InputError


@dataclass(frozen=True)
class CocoShape:
    """A shape that was checked; polygons are drawn when it is asked for.

    Attributes:
        size: (height, width) of its image in pixels.
        form: Polygons, each float64 [2 N]; or run-lengths.
    """

    size: tuple[int, int]
    form: tuple[np.ndarray, ...] | RunLengths

    @classmethod
    def read(cls, segmentation: Any, size: tuple[int, int]) -> "CocoShape":
        """A COCO segmentation: polygons, run-lengths, or compressed run-lengths.

        Raises:
            InputError: When it is none of these, or is made for another size.
        """
        if isinstance(segmentation, dict):
            declared = segmentation.get("size")
            if declared != [size[0], size[1]]:
                raise InputError(
                    f"run lengths for the size {declared} (height, width), but the image has {list(size)}"
                )
            counts = segmentation.get("counts")
            if not isinstance(counts, (list, str)):
                raise InputError("run lengths without counts")
            return cls(size, RunLengths.read(counts, size))
        if not isinstance(segmentation, list):
            raise InputError(
                f"no segmentation (found {type(segmentation).__name__}), expected polygons or run lengths"
            )
        if not segmentation:
            raise InputError("an empty segmentation")
        if not all(isinstance(polygon, list) for polygon in segmentation):
            raise InputError("a flat list of numbers, expected a list of polygons [[x0, y0, x1, y1 ...]]")
        return cls(size, tuple(checked_polygon(polygon) for polygon in segmentation))

    def run_lengths(self) -> RunLengths:
        """Its pixels; parts outside the image are cut off."""
        if isinstance(self.form, RunLengths):
            return self.form
        return polygons_run_lengths(self.form, self.size)
