"""The walk from images to objects: one view, its windows, and what a head finds in each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.heads import Detections, Queries
from vit_adapter.images import multiple_size
from vit_adapter.inference import PreparedView, plan_views
from vit_adapter.inference.grid import protocol_grid

from .queries import MaskSizes, Size

FindFunction = Callable[[Tensor], Queries | list[Detections]]
"""From normalised images [B, C, h, w] to what a head finds in each of them."""

Found = TypeVar("Found")
Decode = Callable[[Queries | Detections, MaskSizes], Found]
"""From the answer for one window (of ``Queries`` the batch of this one) and its sizes to what was found there."""


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


def find_in_windows(
    find: FindFunction,
    images: Sequence[np.ndarray],
    protocol: InferenceConfig,
    decode: Decode[Found],
    batch_size: int,
    device: str | torch.device,
) -> list[FoundInView[Found]]:
    """Shows a model every window of every image; windows of one size share calls.

    An image that fits one window is decoded at its own size at once; of several windows each is decoded at the size of
    the window.

    Args:
        find: The model.
        images: Images [H, W, C].
        protocol: How it is applied.
        decode: What the answer for a window means.
        batch_size: Windows in one call.
        device: Where windows are sent.

    Returns:
        In the order of the images.

    Raises:
        InputError: The protocol averages several views, which objects cannot be.
    """
    results = [_Walk[Found](image, protocol) for image in images]
    jobs: dict[Size, list[tuple[_Walk[Found], int]]] = {}
    for walk in results:
        for number, window in enumerate(walk.grid):
            jobs.setdefault((window.height, window.width), []).append((walk, number))
    for same in jobs.values():
        for start in range(0, len(same), batch_size):
            batch = same[start : start + batch_size]
            answer = find(torch.cat([walk.cut(number) for walk, number in batch]).to(device))
            for place, (walk, number) in enumerate(batch):
                if isinstance(answer, Queries):
                    own = Queries(answer.classes[place : place + 1], answer.masks[place : place + 1])
                else:
                    own = answer[place]
                walk.found[number] = decode(own, walk.sizes(number))
    return [walk.result() for walk in results]


class _Walk(Generic[Found]):
    """The windows of one image."""

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

    def cut(self, number: int) -> Tensor:
        """Pixels of a window, normalised."""
        if self._prepared is None:
            self._prepared = PreparedView(self.image, self.view, self.protocol)
        return torch.from_numpy(self._prepared.cut(self.grid[number]))

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
        return self.image.shape[0], self.image.shape[1]

    def result(self) -> FoundInView[Found]:
        # A window that lies in the padding alone shows nothing.
        numbers = [number for number in range(len(self.grid)) if min(self.valid(number)[2:]) > 0]
        windows = [self.valid(number) for number in numbers]
        return FoundInView(windows, [self.found[number] for number in numbers], self.view.size, self.size)
