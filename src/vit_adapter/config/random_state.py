"""Leaving the caller's global random generators as they were."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def random_state_kept() -> Iterator[None]:
    """After the block the global generators of Python, numpy and torch (all devices) are where they were.

    Generators of libraries that are not loaded yet cannot have been used; nothing is imported for them.
    """
    numpy: Any = sys.modules.get("numpy")
    torch: Any = sys.modules.get("torch")
    python_state = random.getstate()
    numpy_state = None if numpy is None else numpy.random.get_state()
    torch_state = None if torch is None else torch.get_rng_state()
    # Asking a device for its state would start it, so only one that runs already is asked.
    cuda: Any = torch.cuda if torch is not None and torch.cuda.is_initialized() else None
    cuda_states = [] if cuda is None else cuda.get_rng_state_all()
    try:
        yield
    finally:
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)
        if cuda is not None:
            cuda.set_rng_state_all(cuda_states)
