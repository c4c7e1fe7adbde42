"""Several views of one image: how they were made, and how what is found in them becomes one answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vit_adapter.config.objects import SizeRange

Flip = Literal["horizontal", "vertical", "diagonal"]


@dataclass(frozen=True)
class View:
    """How a view was made of its image: scaled, then flipped, then padded.

    Attributes:
        size: (height, width) of the scaled image, without padding.
        factor: float32 [4], by how much it was enlarged in width, height, width, height.
        flip: "diagonal": in both directions.
    """

    size: tuple[int, int]
    factor: Tensor
    flip: Flip | None = None


@dataclass(frozen=True)
class JoiningRule:
    """How what is found in several views becomes one answer.

    Attributes:
        believed: Of each view the sizes of the objects that it is believed for, in pixels of the image; None: all views
            are believed alike.
        count: Most objects that come out of views that are believed for some sizes; otherwise the head's own limit
            holds.
        mirrored: For every class the one that it becomes in a mirror image (left hand, right hand); None: itself.
    """

    believed: Sequence[Sequence[SizeRange]] | None = None
    count: int = 100
    mirrored: Sequence[int] | None = None

    def classes_in(self, view: View) -> Sequence[int] | None:
        """For every class the one that it is in a view; None: itself."""
        return self.mirrored if view.flip in ("horizontal", "vertical") else None
