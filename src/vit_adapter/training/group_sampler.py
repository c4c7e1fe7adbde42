"""The published orders of training images for detection: a batch holds only wide images, or none.

Two of them: epochs, in which every image comes once, and one endless sequence for runs that count iterations.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch


def shape_groups(sizes: Sequence[tuple[int, int]]) -> np.ndarray:
    """int64 [N]: 1 for images (height, width) that are wider than high."""
    return np.array([int(width > height) for height, width in sizes], np.int64)


def epoch_order(groups: np.ndarray, batch: int, processes: int, seed: int) -> np.ndarray:
    """Order of one epoch.

    Every group is shuffled, filled up by its own beginning, and the batches of both are shuffled.

    Args:
        groups: int64 [N] of each image, see ``shape_groups``.
        batch: Images a process and step.
        processes: Number of processes.
        seed: Seed of the run plus number of the epoch.

    Returns:
        int64 [processes, M]: image numbers of each process, batch by batch.
    """
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        shuffled = members[torch.randperm(len(members), generator=generator).numpy()].tolist()
        needed = -(-len(members) // (batch * processes)) * batch * processes
        repeated = shuffled * -(-needed // len(shuffled))
        order += repeated[:needed]
    batches = np.array(order).reshape(-1, batch)
    return batches[torch.randperm(len(batches), generator=generator).numpy()].reshape(processes, -1)


def endless_batches(
    groups: np.ndarray, batch: int, seed: int, process: int = 0, processes: int = 1
) -> Iterator[list[int]]:
    """Batches of one process, without end.

    All processes walk along one sequence of shuffled data sets; each takes its share, collects it by group, and
    gives out a batch as soon as a group has enough.

    Args:
        groups: int64 [N] of each image.
        batch: Images a batch.
        seed: Of the run; it is used once.
        process: Number of this process.
        processes: Number of processes.
    """
    generator = torch.Generator().manual_seed(seed)
    waiting: dict[int, list[int]] = {}
    position = 0
    while True:
        for image in torch.randperm(len(groups), generator=generator).tolist():
            if position % processes == process:
                collected = waiting.setdefault(int(groups[image]), [])
                collected.append(image)
                if len(collected) == batch:
                    yield collected.copy()
                    collected.clear()
            position += 1
