"""Values against the types and ranges that a section declares."""

import dataclasses
import math
import numbers
import os
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from .errors import InputError
from .paths import user_path

_COUNTS = {1: "one", 2: "two", 3: "three", 4: "four"}
_PLURALS = {"a whole number": "whole numbers", "a finite number": "finite numbers", "text": "texts"}


@dataclasses.dataclass(frozen=True)
class Range:
    """Which numbers a setting may have; None: no limit.

    Attributes:
        at_least: Smallest value.
        above: Every value is larger.
        at_most: Largest value.
        below: Every value is smaller.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a number lies in it; NaN never does."""
        return (
            not math.isnan(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        words = {
            "at least": self.at_least,
            "a number above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        return " and ".join(f"{word} {limit:g}" for word, limit in words.items() if limit is not None)


def number(default: Any, **limits: float) -> Any:
    """A dataclass field whose numbers (one, or each of several) lie in a range; see ``Range`` for the limits."""
    return dataclasses.field(default=default, metadata={"limits": {"limits": Range(**limits)}})


def path(default: Any) -> Any:
    """A dataclass field that may hold a path: ``~`` at its beginning is the user's home folder."""
    return dataclasses.field(default=default, metadata={"path": True})


@dataclasses.dataclass(frozen=True)
class Checked:
    """A section of the configuration: every value fits its declared type and range, and every number is finite.

    Attributes:
        section: Its name in flags and files.
    """

    section: ClassVar[str]

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InputError: One of them does not fit; the message names section, field, value and what is expected.
        """
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):  # pyright: ignore
            value = getattr(self, field.name)
            if expected := complaint(hints[field.name], value, **field.metadata.get("limits", {})):
                name = f"--{self.section}.{field.name}"
                raise InputError(not_finite(name, value) or f"{name} is {shown(value)}: expected {expected}")
            if field.metadata.get("path") and isinstance(value, (str, os.PathLike)):
                object.__setattr__(self, field.name, user_path(os.fspath(value)))


def complaint(hint: Any, value: Any, limits: Range | None = None, nan: bool = False) -> str | None:
    """What is expected instead of a value, in words; None where it fits.

    Args:
        hint: The declared type.
        value: As a caller or a file gave it; lists stand for tuples too, a mapping for a section.
        limits: Range of each number in it.
        nan: NaN is an accepted value, too.
    """
    if nan and isinstance(value, float) and math.isnan(value):
        return None
    if not _fits(hint, value):
        expected = describe(hint)
    elif limits is not None and not all(limits.holds(one) for one in _numbers(value)):
        expected = str(limits)
    else:
        return None
    if limits is not None and str(limits) not in expected:
        expected = f"{expected}, {limits}"
    if limits is not None and _optional(hint) and "none" not in expected:
        expected += ", or none"
    return expected


def check_argument(name: str, value: Any, hint: Any, **limits: float) -> None:
    """Refuses an argument of a function that does not fit.

    Args:
        name: The argument, as a message names it.
        value: What was given.
        hint: Its type: ``int``, ``float | None`` ...
        limits: See ``Range``.

    Raises:
        InputError: Names argument, value and what is expected.
    """
    if expected := complaint(hint, value, Range(**limits)):
        raise InputError(f"{name} {shown(value)}: expected {expected}")


def check_kind(name: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuses an argument of another kind, in place of an error from where it would be used.

    Args:
        name: The argument, as a message names it.
        value: What was given.
        kinds: What it may be an instance of.
        expected: The same in words, with an example.

    Raises:
        InputError: Names argument, value (of larger things the type) and what is expected.
    """
    if not isinstance(value, kinds):
        plain = value is None or isinstance(value, (str, int, float, os.PathLike))
        given = shown(value) if plain else f"of type {type(value).__name__}"
        raise InputError(f"{name} is {given}: expected {expected}")


def not_finite(name: str, value: Any) -> str | None:
    """A line about the first number of a list that is infinite or no number; None: there is none."""
    for index, item in enumerate(value if isinstance(value, (list, tuple)) else (), start=1):
        if isinstance(item, float) and not math.isfinite(item):
            return f"{name}: number {index} is {item:g}, expected a finite number"
    return None


def describe(hint: Any) -> str:
    """A declared type in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _either(dict.fromkeys(word for option in inner for word in _alternatives(option)))
    if origin is Literal:
        return _either(_alternatives(hint))
    if origin is tuple and Ellipsis not in inner:
        return f"{_COUNTS.get(len(inner), len(inner))} {_plural(inner[0])}"
    if origin in (list, tuple):
        return f"a list of {_plural(inner[0])}"
    if origin is dict:
        return f"pairs of {describe(inner[0])} and {describe(inner[1])}"
    if dataclasses.is_dataclass(hint):
        return "named settings"
    plain = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    return plain.get(hint, "none" if hint is type(None) else getattr(hint, "__name__", str(hint)))


def shown(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, tuple):
        value = list(value)
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _alternatives(hint: Any) -> list[str]:
    if typing.get_origin(hint) is Literal:
        return list(map(repr, typing.get_args(hint)))
    return ["true", "false"] if hint is bool else [describe(hint)]


def _either(words: Iterable[str]) -> str:
    """``a, b or c``; ``a or b, or c``."""
    *first, last = words
    comma = "," * any(" or " in word for word in first)
    return f"{', '.join(first)}{comma} or {last}" if first else last


def _plural(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _either(dict.fromkeys(map(_plural, typing.get_args(hint))))
    text = describe(hint)
    return _PLURALS.get(text, text)


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _fits(hint: Any, value: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(option, value) for option in inner)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if origin in (list, tuple):
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and Ellipsis not in inner:
            return len(value) == len(inner) and all(map(_fits, inner, value))
        return all(_fits(inner[0], item) for item in value)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            _fits(inner[0], key) and _fits(inner[1], item) for key, item in value.items()
        )
    if dataclasses.is_dataclass(hint):
        return isinstance(value, (hint, Mapping))  # pyright: ignore
    if hint is bool or hint is type(None):
        return isinstance(value, hint)
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if hint is float:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return real and math.isfinite(value)
    if hint is str:
        return isinstance(value, (str, os.PathLike))
    return isinstance(value, hint)


def _numbers(value: Any) -> list[Any]:
    """Every number in a value."""
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _numbers(item)]
    return [value] if isinstance(value, numbers.Real) and not isinstance(value, bool) else []
