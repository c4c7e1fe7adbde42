"""Names of a package that are imported when they are used, so that what needs no torch does not wait for it."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package's ``__init__`` needs to import its names late.

    Args:
        package: Its ``__name__``.
        homes: Each name and the module that has it, below the package; with a dot before it, beside the package.

    Returns:
        ``__getattr__`` and ``__dir__`` of the package.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{homes[name]}", package), name)

    return load, lambda: sorted(homes)
