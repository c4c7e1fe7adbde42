"""Random draws of a step as a function of its position in the run."""

import random

import numpy as np
import torch


def position_seed(seed: int, *position: int) -> int:
    """A 64-bit number for a position; neighbours have unrelated numbers (numpy's ``SeedSequence``)."""
    sequence = np.random.SeedSequence([seed % 2**64, *position])
    return int(sequence.generate_state(1, np.uint64)[0])


def seed_generators(seed: int, step: int, micro_batch: int, rank: int) -> None:
    """Set the global generators of Python, numpy and torch (all devices) for one forward and backward pass.

    Drop path, channel dropout and point sampling draw from them. Whatever a run did before (other steps,
    validation, an interruption) leaves no trace in its draws; processes draw differently (S54).
    """
    number = position_seed(seed, step, micro_batch, rank)
    torch.manual_seed(number % 2**63)
    random.seed(number)
    np.random.seed(number % 2**32)
