"""Which of the objects and segments that a model finds are given out."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .values import Checked, number

SizeRange = Literal["s", "m", "m-", "m+", "l", "l-", "l+"]
"""Objects by their area in pixels of the image: "s" up to 32², "m" up to 96² ("m-" up to 64², "m+" above), "l" above
("l-" up to 512², "l+" above)."""


@dataclass(frozen=True)
class ObjectConfig(Checked):
    """How the answers of queries become objects and segments; the defaults are the published ones.

    Attributes:
        score_threshold: Smallest score of an object, 0..1. Average precision is measured over all of them.
        segment_threshold: Smallest probability of its class for a segment to compete for pixels, 0..1 (exclusive).
        overlap_threshold: A segment is dropped if it wins less than this share of its own pixels, 0..1.
        mask_threshold: Smallest probability of the pixels of a mask, 0..1 (exclusive for objects).
        fill_segments: A segment gets all pixels that it wins, also those where its own mask is not on.
        min_area: Objects and segments of fewer pixels are left out.
        max_objects: Most objects of a window, the most probable first; of queries, pairs of query and class. Average
            precision is measured over so many objects of an image and class, except AP and AR, which never count more
            than 100.
    """

    section: ClassVar[str] = "protocol.objects"

    score_threshold: float = number(0.5, at_least=0, at_most=1)
    segment_threshold: float = number(0.8, at_least=0, below=1)
    overlap_threshold: float = number(0.8, at_least=0, at_most=1)
    mask_threshold: float = number(0.5, above=0, below=1)
    fill_segments: bool = False
    min_area: int = number(0, at_least=0)
    max_objects: int = number(100, at_least=1)
