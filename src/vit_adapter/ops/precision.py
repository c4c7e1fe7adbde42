"""In which type operators compute under autocast."""

import torch
from torch import Tensor


def autocast_type(values: Tensor) -> torch.dtype | None:
    """The type that autocast would give to a matrix product of these values; None: autocast is off."""
    device = values.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
