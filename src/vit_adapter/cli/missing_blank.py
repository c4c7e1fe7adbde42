"""Settings whose name and value are written as one word: ``depth:4``, ``steps=3``."""

import re
from collections.abc import Iterable

_PAIR = re.compile(r"(?:^|[{,\s])([A-Za-z_][\w.]*)(:(?=[^\s:/\\])|\s*=)", re.MULTILINE)
"""A name with what follows it; addresses and the letters of Windows drives are no pairs."""


def blank_hint(text: str) -> str:
    """Words for the end of a message, where a pair in YAML lacks its colon or the space after it; else nothing.

    Args:
        text: What was written where pairs are expected.
    """
    found = _PAIR.search(text)
    return "" if found is None else f"; {_advice(found[1])}"


def joined_pair(word: str, known: Iterable[str]) -> str | None:
    """What is wrong with a setting's name that has its value in it; None: it is no such word.

    Args:
        word: The name that does not exist.
        known: Names that do.
    """
    found = _PAIR.match(word)
    return _advice(found[1]) if found is not None and found[1] in known else None


def _advice(name: str) -> str:
    return f"put a colon and a space after {name}"
