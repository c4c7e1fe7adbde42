"""Masks of boxes, painted into the image (behaviour 151)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float | None = 0.5) -> Tensor:
    """Stretches the mask of each box over the box, bilinear between the centres of its cells, in float32.

    Only the surroundings of a box are computed, on the device of the masks; a box may leave the image.

    Args:
        masks: [N, h, w], 0..1.
        boxes: [N, 4] xyxy in pixels of the image.
        size: (height, width) of the image.
        threshold: Pixels of at least this value belong to the mask; None: the values themselves.

    Returns:
        bool [N, height, width], or float32 values.
    """
    masks, boxes = masks.to(torch.float32), boxes.to(torch.float32)
    pasted = masks.new_zeros(len(masks), *size, dtype=torch.float32 if threshold is None else torch.bool)
    for index, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        # One pixel more than the box: where the bilinear values fall to zero.
        left, top = (int(side) for side in (box[:2].floor() - 1).clamp(min=0))
        right, bottom = (
            min(int(side), limit) for side, limit in zip(box[2:].ceil() + 1, size[::-1], strict=True)
        )
        if right <= left or bottom <= top:
            continue
        x = _positions(left, right, box[0], box[2])
        y = _positions(top, bottom, box[1], box[3])
        grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)
        values = F.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]
        pasted[index, top:bottom, left:right] = values if threshold is None else values >= threshold
    return pasted


def _positions(first: int, end: int, low: Tensor, high: Tensor) -> Tensor:
    """Where the centres of pixels lie in a box, whose ends are at -1 and 1; in an empty box all at its centre."""
    centres = torch.arange(first, end, dtype=torch.float32, device=low.device) + 0.5
    places = (centres - low) / (high - low) * 2 - 1
    return torch.where(places.isinf(), torch.zeros_like(places), places)
