"""What a section's fields mean, told by the classes that take them as arguments: written once, read in both places."""

from collections.abc import Callable
from inspect import cleandoc
from typing import TypeVar

T = TypeVar("T", bound=type)


def documents_fields_of(*sections: type) -> Callable[[T], T]:
    """Appends the fields of sections, as their docstrings describe them, to what ``help`` says of a class.

    Args:
        sections: Dataclasses with a part "Attributes:" in their docstring; their field ``kind`` is left out.
    """

    def decorate(documented: T) -> T:
        if documented.__doc__ is not None:  # python -OO has none
            parts = [cleandoc(documented.__doc__)]
            for section in sections:
                parts.append(f"Fields of ``{section.__name__}``:\n{_fields(section)}")
            documented.__doc__ = "\n\n".join(parts) + "\n"
        return documented

    return decorate


def _fields(section: type) -> str:
    text = cleandoc(section.__doc__ or "").partition("\nAttributes:\n")[2]
    return "\n".join(line for line in text.splitlines() if not line.startswith("    kind: "))
