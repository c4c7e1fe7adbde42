"""Paths as people write them: ``~`` is the home folder, wherever a path is taken."""

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def user_path(path: Any) -> Any:
    """A path whose ``~`` or ``~name`` at the beginning is the home folder; of a list each one; anything else as it is.

    Raises:
        InputError: There is no user of that name.
    """
    if isinstance(path, (list, tuple)):
        return type(path)(map(user_path, path))
    if not isinstance(path, (str, os.PathLike)) or not str(path).startswith("~"):
        return path
    text = os.path.expanduser(path)
    if text.startswith("~") and "/" in str(path):
        raise InputError(f"{path}: there is no home folder of {str(path).split('/')[0]!r}")
    return text if isinstance(path, str) else Path(text)


def near_path(path: Path) -> Path | None:
    """What was probably meant by a path that is not there: a name like it in the same folder; None: nothing."""
    try:
        names = [name for name in os.listdir(path.parent) if not name.startswith(".")]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1)
    return path.with_name(near[0]) if near and near[0] != path.name else None


def takes_paths(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets a function take paths with ``~`` in the arguments of these names."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        assert not set(names) - signature.parameters.keys()

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            given: Mapping[str, Any] = bound.arguments
            for name in names:
                _refuse_nothing(name, given.get(name))
            bound.arguments.update({name: user_path(given[name]) for name in names if name in given})
            return function(*bound.args, **bound.kwargs)

        return called

    return decorate


def _refuse_nothing(name: str, value: Any) -> None:
    """Refuses an empty path, which would be the working folder: all images in it, or results among them."""
    paths = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(path, str) and not path for path in paths):
        raise InputError(f"{name}: an empty path; is a variable of the shell not set?")
