"""The walk from images to objects: windows of one view, or several views, and what a head finds in them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vit_adapter import heads
from vit_adapter.annotations import Window
from vit_adapter.config import InputError
from vit_adapter.config.mirrored import mirrored_order
from vit_adapter.heads import Detections, JoiningRule, Queries
from vit_adapter.inference.augmentation import PlannedView, plan_views
from vit_adapter.inference.grid import Size, protocol_grid
from vit_adapter.inference.views import PreparedView

from .answers import Answers, DecodeSettings
from .window_walk import Found, FoundInView, MaskSizes, WindowWalk

Decode = Callable[[Queries | Detections, MaskSizes], Found]
"""From the answer for one window (of ``Queries`` the batch of this one) and its sizes to what was found there."""


def find_in_windows(
    answers: Answers, images: Sequence[np.ndarray], settings: DecodeSettings, decode: Decode[Found]
) -> list[FoundInView[Found]]:
    """Shows a model every window of every image; windows of one size share calls.

    An image that fits one window is decoded at its own size at once; of several windows each is decoded at the size of
    the window. Where the protocol has several views, an image is shown in one after the other.

    Args:
        answers: The model.
        images: Images [H, W, C].
        settings: How it is applied.
        decode: What the answer for a window means.

    Returns:
        In the order of the images.

    Raises:
        InputError: The protocol has several views, which this model's objects cannot be joined from.
    """
    protocol, results = settings.protocol, list[WindowWalk[Found] | FoundInView[Found]]()
    jobs: dict[Size, list[tuple[WindowWalk[Found], int]]] = {}
    for image in images:
        views = plan_views((image.shape[0], image.shape[1]), protocol)
        if len(views) > 1 or protocol.view_sizes:
            results.append(_in_views(answers, image, views, settings, decode))
            continue
        walk = WindowWalk[Found](image, protocol)
        results.append(walk)
        for number, window in enumerate(walk.grid):
            jobs.setdefault((window.height, window.width), []).append((walk, number))
    for same in jobs.values():
        for start in range(0, len(same), settings.batch_size):
            batch = same[start : start + settings.batch_size]
            pixels = np.concatenate([walk.cut(number) for walk, number in batch])
            answer = answers.find(torch.from_numpy(pixels).to(settings.device))
            for place, (walk, number) in enumerate(batch):
                if isinstance(answer, Queries):
                    own = Queries(answer.classes[place : place + 1], answer.masks[place : place + 1])
                else:
                    own = answer[place]
                walk.found[number] = decode(own, walk.sizes(number))
    return [one.result() if isinstance(one, WindowWalk) else one for one in results]


def _in_views(
    answers: Answers,
    image: np.ndarray,
    views: Sequence[PlannedView],
    settings: DecodeSettings,
    decode: Decode[Found],
) -> FoundInView[Found]:
    """What is found in an image by several views of it."""
    protocol, size = settings.protocol, (image.shape[0], image.shape[1])
    if answers.find_in_views is None:
        raise InputError(
            f"protocol: {len(views)} views (scales, mirror images), which this head joins for the task semantic only; "
            "objects are found in one view, with scales=(1.0,) and flip=False"
        )
    if any(len(protocol_grid(view.padded, protocol)) > 1 for view in views):
        raise InputError(
            f"protocol: {len(views)} views, and windows of {protocol.crop} pixels in them: several views show whole "
            "images, expected --protocol.mode whole"
        )

    def pixels() -> Iterator[Tensor]:
        for view in views:
            whole = PreparedView(image, view, protocol).cut(Window(0, 0, *view.padded))
            yield torch.from_numpy(whole).to(settings.device)

    made = [
        heads.View(view.size, _enlargement(size, view.size), "horizontal" if view.flip else None)
        for view in views
    ]
    sizes = protocol.view_sizes
    believed = [sizes[index * len(sizes) // len(views)] for index in range(len(views))] if sizes else None
    rule = JoiningRule(believed, protocol.objects.max_objects, mirrored_order(settings.classes))
    found = answers.find_in_views(pixels(), made, rule)
    return FoundInView([Window(0, 0, *size)], [decode(found, MaskSizes(size, size))], size, size)


def _enlargement(old: Size, new: Size) -> Tensor:
    """By how much an image was enlarged in width, height, width, height: float32, as published."""
    return torch.tensor([new[1] / old[1], new[0] / old[0]] * 2, dtype=torch.float32)
