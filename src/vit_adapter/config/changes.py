"""Replaces the named settings of a section and keeps all others."""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from .errors import InputError
from .plain import typed

T = TypeVar("T")


def with_changes(base: T, changes: Mapping[str, Any], where: str) -> T:
    """A dataclass with some of its settings replaced; what ``changes`` does not name stays as it is.

    Args:
        base: The settings that hold without a change.
        changes: Setting to value; a nested section is a mapping of its own, of which again only what is named changes.
        where: Argument or section, for the message.

    Raises:
        InputError: There is no such setting, or its value cannot be used.
    """
    if not isinstance(changes, Mapping):
        raise InputError(f"{where} is {changes!r}, expected named settings")
    hints = typing.get_type_hints(type(base))
    known = [field.name for field in dataclasses.fields(base)]  # pyright: ignore
    values = {}
    for name, value in changes.items():
        if name not in known:
            near = difflib.get_close_matches(str(name).lower(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise InputError(f"{where}.{name}: there is no such setting; {hint}")
        old = getattr(base, name)
        same_kind = isinstance(value, Mapping) and value.get("kind") in (None, getattr(old, "kind", None))
        if dataclasses.is_dataclass(old) and same_kind:
            values[name] = with_changes(old, value, f"{where}.{name}")
        else:
            values[name] = typed(hints[name], value, f"{where}.{name}")
    return dataclasses.replace(base, **values)  # pyright: ignore
