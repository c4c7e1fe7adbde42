"""Sums over many points need more than half precision."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """float16 and bfloat16 become float32; other types stay.

    A half-precision sum of 70,000 ones is infinite, and costs of close candidates become equal.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def full_precision(device_type: str) -> torch.autocast:
    """A context in which autocast does not bring products back to half precision."""
    return torch.autocast(device_type, enabled=False)
