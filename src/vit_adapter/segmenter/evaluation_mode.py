"""A model in evaluation mode for as long as somebody applies it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import nn


@dataclass
class _Held:
    """A model that is being applied: by how many, and the modules that were in training mode before."""

    users: int
    training: list[nn.Module]


_held: WeakKeyDictionary[nn.Module, _Held] = WeakKeyDictionary()
_lock = threading.Lock()


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Keeps a model and all its modules in evaluation mode while the block runs; afterwards each has its own again.

    Blocks may lie inside each other, or run in several threads: the first switches, the last switches back, and
    those between cost nothing.

    Args:
        model: The model.
    """
    with _lock:
        held = _held.get(model)
        if held is None:
            training = [module for module in model.modules() if module.training]
            for module in training:
                module.training = False
            held = _held[model] = _Held(0, training)
        held.users += 1
    try:
        yield
    finally:
        with _lock:
            held.users -= 1
            if not held.users:
                del _held[model]
                for module in held.training:
                    module.training = True
