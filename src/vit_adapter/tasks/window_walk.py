"""The windows of an image in which objects are found, and what was found in them. No torch here: exported models are
applied without it."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.images import multiple_size
from vit_adapter.inference.augmentation import plan_views
from vit_adapter.inference.grid import Size, protocol_grid
from vit_adapter.inference.views import PreparedView

Found = TypeVar("Found")


class MaskSizes(NamedTuple):
    """The sizes that mask logits are brought to, one after the other (behaviour 112).

    Attributes:
        padded: What the model saw.
        valid: The part of it, at the top left, that is image.
        final: The size wanted in the end; None: as ``valid``.
    """

    padded: Size
    valid: Size
    final: Size | None = None

    @property
    def result(self) -> Size:
        """The size that comes out."""
        return self.valid if self.final is None else self.final


@dataclass(frozen=True, eq=False)
class FoundInView(Generic[Found]):
    """What was found in one image.

    Attributes:
        windows: Places in the view, without padding.
        found: Of each of them.
        view: Size of the view without padding, in pixels.
        size: (height, width) of the image.
    """

    windows: list[Window]
    found: list[Found]
    view: Size
    size: Size

    @property
    def whole(self) -> Found | None:
        """What was found where one window held all, at the size of the image; None where there were several."""
        return self.found[0] if len(self.windows) == 1 else None


class WindowWalk(Generic[Found]):
    """The windows of one image.

    Args:
        image: [H, W, C].
        protocol: How the model is applied.

    Attributes:
        grid: Places of the windows in the padded view.
        found: What was found, by the number of the window; whoever walks fills it.

    Raises:
        InputError: The protocol has several views.
    """

    def __init__(self, image: np.ndarray, protocol: InferenceConfig) -> None:
        views = plan_views((image.shape[0], image.shape[1]), protocol)
        if len(views) > 1 or views[0].flip:
            raise InputError(
                f"protocol: {len(views)} views (scales, mirror images) can be averaged for the task semantic only; "
                "objects are found in one view, with scales=(1.0,) and flip=False"
            )
        self.image, self.protocol, self.view = image, protocol, views[0]
        self.grid = protocol_grid(self.view.padded, protocol)
        self.found: dict[int, Found] = {}
        self._prepared: PreparedView | None = None

    def cut(self, number: int) -> np.ndarray:
        """Pixels of a window, normalised: float32 [1, C, h, w]."""
        if self._prepared is None:
            self._prepared = PreparedView(self.image, self.view, self.protocol)
        return self._prepared.cut(self.grid[number])

    def valid(self, number: int) -> Window:
        """The part of a window that is image."""
        top, left, bottom, right = self.grid[number].corners
        height, width = self.view.size
        return Window(top, left, min(bottom, height) - top, min(right, width) - left)

    def sizes(self, number: int) -> MaskSizes:
        """What masks of a window are brought to."""
        window, valid = self.grid[number], self.valid(number)
        padded = multiple_size((window.height, window.width), COARSEST_STRIDE)
        inside = (valid.height, valid.width)
        whole = len(self.grid) == 1 and inside != self.size
        return MaskSizes(padded, inside, self.size if whole else None)

    @property
    def size(self) -> Size:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    def result(self) -> FoundInView[Found]:
        """What was found in all windows."""
        # A window that lies in the padding alone shows nothing.
        numbers = [number for number in range(len(self.grid)) if min(self.valid(number)[2:]) > 0]
        windows = [self.valid(number) for number in numbers]
        return FoundInView(windows, [self.found[number] for number in numbers], self.view.size, self.size)
