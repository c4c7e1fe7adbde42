"""Maps of numbers, in which each pixel holds the number of its object: to the masks of the objects."""

import numpy as np

from .run_lengths import RunLengths


def run_lengths_of_ids(ids: np.ndarray) -> dict[int, RunLengths]:
    """The mask of every number in a map; made in one pass, whatever their count.

    Args:
        ids: Integers [H, W].

    Returns:
        Number to run-lengths, in ascending order of the numbers that occur.
    """
    height, width = ids.shape
    if not ids.size:
        return {}
    down = ids.T.reshape(-1)  # columns one after the other, as run-lengths are counted
    edges = np.flatnonzero(down[1:] != down[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [down.size]])
    numbers = down[starts]
    order = np.argsort(numbers, kind="stable")
    present, first = np.unique(numbers[order], return_index=True)
    masks = {}
    for number, runs in zip(present.tolist(), np.split(order, first[1:]), strict=True):
        places = np.stack([starts[runs], ends[runs]], axis=1).reshape(-1)
        masks[number] = RunLengths.between(places, (height, width))
    return masks
