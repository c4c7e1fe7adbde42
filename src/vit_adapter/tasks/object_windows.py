"""The walk from images to objects: one view, its windows, and what a head finds in each of them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vit_adapter.config import InferenceConfig
from vit_adapter.heads import Detections, Queries
from vit_adapter.inference.grid import Size

from .window_walk import Found, FoundInView, MaskSizes, WindowWalk

FindFunction = Callable[[Tensor], Queries | list[Detections]]
"""From normalised images [B, C, h, w] to what a head finds in each of them."""

Decode = Callable[[Queries | Detections, MaskSizes], Found]
"""From the answer for one window (of ``Queries`` the batch of this one) and its sizes to what was found there."""


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
    results = [WindowWalk[Found](image, protocol) for image in images]
    jobs: dict[Size, list[tuple[WindowWalk[Found], int]]] = {}
    for walk in results:
        for number, window in enumerate(walk.grid):
            jobs.setdefault((window.height, window.width), []).append((walk, number))
    for same in jobs.values():
        for start in range(0, len(same), batch_size):
            batch = same[start : start + batch_size]
            pixels = np.concatenate([walk.cut(number) for walk, number in batch])
            answer = find(torch.from_numpy(pixels).to(device))
            for place, (walk, number) in enumerate(batch):
                if isinstance(answer, Queries):
                    own = Queries(answer.classes[place : place + 1], answer.masks[place : place + 1])
                else:
                    own = answer[place]
                walk.found[number] = decode(own, walk.sizes(number))
    return [walk.result() for walk in results]
