"""Torch files read without running anything that they contain."""

import argparse
import collections
import pathlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import serialization

from vit_adapter.config import InputError

_MOST_FOREIGN_TYPES = 200
_NOT_ALLOWED = re.compile(r"GLOBAL ([\w.]+) was not")
_BLOCKED = re.compile(r"GLOBAL ([\w.]+) whose module")


class ForeignObject:
    """Stand-in for an object of a foreign type.

    The restricted reader looks types up in a list and imports nothing. A type that is not on the list is given
    this stand-in, which keeps what it is handed and does nothing.
    """

    type_name = ""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class ForeignMapping(ForeignObject):
    """The same for dictionaries of a foreign type, whose entries the reader puts into standard ones only."""

    def __new__(cls, *arguments: Any) -> Any:
        return collections.OrderedDict()


def read_pickled(path: Path, name: str) -> tuple[Any, tuple[str, ...]]:
    """Reads a file that ``torch.save`` wrote, with ``weights_only=True`` in every case.

    Numpy scalars, ``argparse.Namespace`` and path objects in the metadata are read as they are. Objects of
    any other type are replaced; their code is neither imported nor run.

    Args:
        path: The file.
        name: How messages name it.

    Returns:
        What was saved, and the names of the types that were replaced.

    Raises:
        InputError: The file is damaged, or refers to something that is never read.
    """
    foreign = dict.fromkeys(_listed_types(path))
    kind: type[ForeignObject] = ForeignObject
    while True:
        stand_ins = [(type(kind.__name__, (kind,), {"type_name": item}), item) for item in foreign]
        try:
            # An open file, since torch may take the end of a name for the format.
            with serialization.safe_globals([*_harmless(), *stand_ins]), path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True), tuple(sorted(foreign))
        except Exception as error:
            # The message is the only place where the old file format, which cannot be listed, names a type.
            found = _NOT_ALLOWED.search(str(error))
            unknown = found.group(1) if found else None
            if unknown is not None and unknown not in foreign and len(foreign) < _MOST_FOREIGN_TYPES:
                foreign[unknown] = None
            elif kind is ForeignObject and foreign and "Can only SETITEM" in str(error):
                kind = ForeignMapping
            else:
                raise _refusal(name, error, unknown) from error


def _listed_types(path: Path) -> list[str]:
    """Types that a file of today's format asks for beyond tensors; empty for the old format."""
    try:
        with serialization.safe_globals(_harmless()):
            return sorted(serialization.get_unsafe_globals_in_checkpoint(path))[:_MOST_FOREIGN_TYPES]
    except Exception:
        return []  # read_pickled meets the same trouble and reports it


def _harmless() -> list[Any]:
    """Types that hold plain values and cannot do anything."""
    scalar, reconstruct = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    paths = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
    return [
        *((scalar, f"{module}.scalar") for module in modules),
        *((reconstruct, f"{module}._reconstruct") for module in modules),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdgSU"},
        argparse.Namespace,
        *(list, dict, tuple, set, int, float, str, bool),
        # Never a real path: one of another system could not even be built here.
        *(
            (pathlib.PurePosixPath, f"{module}.{kind}")
            for module in ("pathlib", "pathlib._local")
            for kind in paths
        ),
    ]


def _refusal(name: str, error: Exception, unknown: str | None) -> InputError:
    text = " ".join(str(error).split())
    blocked = _BLOCKED.search(text)
    if blocked or unknown:
        kind = blocked.group(1) if blocked else unknown
        return InputError(
            f"{name}: refers to {kind}, which is not read because it could run code; open it where you trust it and "
            "save the weights alone: torch.save(model.state_dict(), path)"
        )
    if any(sign in text for sign in ("Unsupported operand", "Can only", "protocol")):
        return InputError(
            f"{name}: holds objects that cannot be read safely ({text[:120]}); open it where you trust it and save the "
            "weights alone: torch.save(model.state_dict(), path)"
        )
    return InputError(f"{name}: damaged, cut off, or not a torch file ({text[:120] or type(error).__name__})")
