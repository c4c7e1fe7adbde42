"""Memory for values between two steps of an operator, kept from call to call.

A large buffer that is taken from the system and given back at every call costs a page fault for each 4 KiB of it, which
takes longer than the arithmetic that fills it.
"""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

KEPT_BYTES = 1 << 26
"""A larger buffer is not kept."""

LARGEST = "largest"
"""Name of a buffer that operators with large ones share, which do not run inside each other."""

_THREAD = threading.local()


def scratch(name: str, shape: Sequence[int], like: Tensor) -> Tensor:
    """A buffer without defined values.

    It is valid until the same thread asks for the name again: nothing of it may leave the operator.

    Args:
        name: Buffers that are in use together have different names.
        shape: Its shape.
        like: Gives type and device.

    Returns:
        Contiguous, without gradients.
    """
    count = math.prod(shape)
    known: dict[tuple[str, torch.dtype], Tensor] = _THREAD.__dict__.setdefault("buffers", {})
    # Only where page faults are: an accelerator's allocator keeps memory itself. Tensors without values keep none.
    if like.device.type != "cpu" or count * like.element_size() > KEPT_BYTES or _get_current_dispatch_mode():
        return like.new_empty(shape)
    buffer = known.get((name, like.dtype))
    if buffer is None or buffer.numel() < count:
        known.pop((name, like.dtype), None)  # two of them at a time would be too much
        del buffer
        # Not of inference mode, whose tensors could not be written to elsewhere.
        with torch.inference_mode(False):
            buffer = torch.empty(count, dtype=like.dtype)
        known[name, like.dtype] = buffer
    return buffer[:count].view(shape)


def release_scratch() -> None:
    """Gives this thread's buffers back."""
    _THREAD.__dict__.pop("buffers", None)
