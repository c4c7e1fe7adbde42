"""The published orders of training images for detection: a batch holds only wide images, or none (behaviour 135).

Two of them: epochs, in which every image comes once, and one endless sequence for runs that count iterations.
"""

from collections.abc import Iterator

import numpy as np
import torch

from .sampler import Key


def epoch_order(groups: np.ndarray, batch: int, processes: int, seed: int) -> np.ndarray:
    """Order of one epoch.

    Every group is shuffled, filled up by its own beginning, and the batches of both are shuffled.

    Args:
        groups: int64 [N]: 1 for an image that is wider than high, else 0.
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


class ShapeOrder:
    """Epochs in which a batch holds only wide images, or none, see ``epoch_order``.

    Args:
        is_wide: bool [N] of each image.
        seed: Of the run.
    """

    def __init__(self, is_wide: np.ndarray, seed: int) -> None:
        self.groups, self.seed = is_wide.astype(np.int64), seed
        self._known: tuple[tuple[int, int, int], np.ndarray] | None = None

    def batch(self, number: int, size: int, rank: int, processes: int) -> list[Key]:
        """See ``Order.batch``."""
        per_process = sum(
            -(-int(count) // (size * processes)) for count in np.unique_counts(self.groups).counts
        )
        epoch, place = divmod(number, per_process)
        wanted = (epoch, size, processes)
        if self._known is None or self._known[0] != wanted:
            self._known = wanted, epoch_order(self.groups, size, processes, self.seed + epoch)
        images = self._known[1][rank, place * size : (place + 1) * size]
        return [(epoch, int(index)) for index in images]


class EndlessShapeOrder:
    """The same along one endless sequence, see ``endless_batches``; a batch is found by walking there once.

    Args:
        is_wide: bool [N] of each image.
        seed: Of the run.
    """

    def __init__(self, is_wide: np.ndarray, seed: int) -> None:
        self.groups, self.seed = is_wide.astype(np.int64), seed
        self._walk: Iterator[list[int]] = iter(())
        self._next, self._last, self._of = 0, [], (0, 0, 0)

    def batch(self, number: int, size: int, rank: int, processes: int) -> list[Key]:
        """See ``Order.batch``; the first number of a key is that of the batch."""
        if self._of != (size, rank, processes) or number < self._next - 1:
            self._walk = endless_batches(self.groups, size, self.seed, rank, processes)
            self._next, self._of = 0, (size, rank, processes)
        while self._next <= number:
            self._last = next(self._walk)
            self._next += 1
        return [(number, index) for index in self._last]
