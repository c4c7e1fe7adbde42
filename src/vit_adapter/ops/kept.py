"""Values that follow from sizes alone, kept between calls."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from torch.utils._python_dispatch import _get_current_dispatch_mode

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def kept(maxsize: int) -> Callable[[Callable[Arguments, Value]], Callable[Arguments, Value]]:
    """Decorator for functions of hashable arguments whose tensors are kept.

    Where a mode takes torch's place (counting memory on tensors without values, exports), nothing is kept and nothing
    kept is used: such tensors must not meet real ones.

    Args:
        maxsize: Values that are kept, those used last.
    """

    def decorate(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
        cached = lru_cache(maxsize=maxsize)(function)

        @wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
            if _get_current_dispatch_mode() is not None:
                return function(*args, **kwargs)
            return cached(*args, **kwargs)  # pyright: ignore[reportArgumentType] (hashable by contract)

        return call

    return decorate
