"""Which images a step sees, as a function of the step alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

from .randomness import position_seed

Key = tuple[int, int]
"""(pass over the data, index of the image): the key of ``TrainingSet``."""


class SampleOrder:
    """An endless sequence of images: pass after pass, each in its own random order.

    A batch is a piece of that sequence, so one at the end of a pass is filled from the next pass. Data sets
    smaller than a batch work, no batch is ever incomplete, and no image is left out (S27, S28).

    Args:
        length: Number of images.
        seed: Of the run.
    """

    def __init__(self, length: int, seed: int) -> None:
        if length < 1:
            raise ValueError(f"length={length}, expected at least one image")
        self.length, self.seed = length, seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def keys(self, start: int, count: int) -> list[Key]:
        """Keys of the positions ``start`` to ``start + count - 1`` of the sequence."""
        return [self._key(position) for position in range(start, start + count)]

    def batch(self, number: int, size: int, rank: int, processes: int) -> list[Key]:
        """Keys of the batch of ``size`` images that a process sees as its ``number``-th."""
        return self.keys((number * processes + rank) * size, size)

    def _key(self, position: int) -> Key:
        epoch, offset = divmod(position, self.length)
        if epoch != self._epoch:
            generator = np.random.default_rng(position_seed(self.seed, epoch))
            self._epoch, self._order = epoch, generator.permutation(self.length)
        return epoch, int(self._order[offset])


class Order(Protocol):
    """Which images the batches of a run hold."""

    def batch(self, number: int, size: int, rank: int, processes: int) -> list[Key]:
        """Keys of the batch of ``size`` images that a process sees as its ``number``-th."""
        ...


@dataclass(eq=False)
class StepSampler(Sampler[list[Key]]):
    """Keys of the images that one process reads for each step, from any step on.

    In a ``SampleOrder`` a step of all processes together reads ``accumulate * processes * batch_size`` neighbouring
    positions of the sequence: which images form a step depends on that product only, not on how it is split.

    Attributes:
        order: The sequence.
        batch_size: Images of one process and one forward pass.
        accumulate: Forward passes of one step.
        first_step: Where to begin.
        last_step: Where to end (not included).
        rank: Number of this process.
        processes: Number of processes.
    """

    order: Order
    batch_size: int
    accumulate: int
    first_step: int
    last_step: int
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return max(0, self.last_step - self.first_step)

    def __iter__(self) -> Iterator[list[Key]]:
        return map(self.step_keys, range(self.first_step, self.last_step))

    def starting_at(self, step: int) -> "StepSampler":
        """The same from another step on."""
        return replace(self, first_step=step)

    def step_keys(self, step: int) -> list[Key]:
        """The ``accumulate * batch_size`` keys of this process, forward pass after forward pass."""
        passes = range(step * self.accumulate, (step + 1) * self.accumulate)
        batches = (self.order.batch(one, self.batch_size, self.rank, self.processes) for one in passes)
        return list(chain.from_iterable(batches))
