"""Arguments of functions under the names that they had before: accepted for one version, with a line."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def takes_older_names(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets a function take keyword arguments under older names.

    Args:
        names: Older name to today's.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            for older in names.keys() & kwargs.keys():
                now = names[older]
                if now in kwargs:
                    raise InputError(f"{older} and {now} are two names of one argument; leave out {older}")
                warnings.warn(f"{older} is {now} now; the old name works in this version", stacklevel=2)
                kwargs[now] = kwargs.pop(older)
            return function(*args, **kwargs)

        return called

    return decorate
