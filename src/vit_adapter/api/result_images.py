"""A result as one PNG image in memory."""

import io
from typing import TYPE_CHECKING, Literal

from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.config.own_files import marked_png
from vit_adapter.tasks import DetectionResult, PanopticResult, SemanticResult
from vit_adapter.tasks.object_files import panoptic_ids

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction


def map_png(result: "Prediction", ids: Literal["own", "contiguous"] = "own") -> bytes:
    """The map of a result as a PNG file, the same that ``predict`` writes.

    Of labels the value of the class at every pixel (8 or 16 bits); of objects the number of the object, from 1, in the
    order of the result; of segments their numbers in COCO's form (red + 256 green + 65536 blue).

    Args:
        result: Of any task that has a map.
        ids: Of labels: the values of the user's "own" masks, or "contiguous" 0..K-1.

    Raises:
        InputError: Boxes have no map.
    """
    if isinstance(result, SemanticResult):
        return _png(Image.fromarray(result.own_ids() if ids == "own" else result.labels))
    if isinstance(result, DetectionResult):
        raise InputError("boxes have no map; ask for json or overlay")
    if isinstance(result, PanopticResult):
        return _png(panoptic_ids(result.segments))
    return _png(Image.fromarray(result.object_ids))


def overlay_png(result: "Prediction", alpha: float = 0.5, legend: bool = True) -> bytes:
    """The image with what was found drawn over it, as a PNG file; arguments are those of ``Result.overlay``."""
    return _png(result.overlay(alpha, legend))


def _png(image: Image.Image) -> bytes:
    """With the mark by which ``predict`` knows its own results."""
    file = io.BytesIO()
    marked_png(image)(file)
    return file.getvalue()
