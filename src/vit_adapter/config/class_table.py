"""The classes of a data set or model: names, the mask values that stand for them, colours."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InputError

LARGEST_ID = 65535  # what a 16-bit mask can hold


@dataclass(frozen=True)
class ClassTable:
    """Classes in the order of their contiguous labels 0..K-1.

    Attributes:
        names: One name per class, trimmed, none twice.
        ids: The mask value that stands for each class in the user's own files, 0..65535, none twice.
        colours: (red, green, blue) of each class, 0..255; None: no colours were given.
        ignore_id: The mask value of ignored pixels in the user's own files.
        mirrored: Pairs of labels that are exchanged in a mirror image, such as those of left and right hand.
        is_thing: Of each class whether its pixels fall into objects that can be counted (car) or not (sky); None: not
            known.

    Raises:
        InputError: On empty or repeated names, repeated ids, ids outside 0..65535, or lists of unequal length.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]
    colours: tuple[tuple[int, int, int], ...] | None = None
    ignore_id: int = 255
    mirrored: tuple[tuple[int, int], ...] = ()
    is_thing: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.names) != len(self.ids):
            raise InputError(f"class list: {len(self.names)} names but {len(self.ids)} ids")
        if self.colours is not None and len(self.colours) != len(self.names):
            raise InputError(f"class list: {len(self.names)} names but {len(self.colours)} colours")
        if self.is_thing is not None and len(self.is_thing) != len(self.names):
            raise InputError(
                f"class list: {len(self.names)} names but {len(self.is_thing)} values of is_thing"
            )
        if len(self.names) > LARGEST_ID:
            raise InputError(f"class list: {len(self.names)} classes, at most {LARGEST_ID} are supported")
        check_names(self.names, "class list")
        check_ids(self.ids, "class list")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ignore_index(self) -> int:
        """Contiguous label of ignored pixels: 255, or 65535 when there are more than 255 classes."""
        return 255 if len(self.names) <= 255 else 65535

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers, for a JSON file."""
        values: dict[str, Any] = {
            "names": list(self.names),
            "ids": list(self.ids),
            "colours": None if self.colours is None else [list(colour) for colour in self.colours],
            "ignore_id": self.ignore_id,
            "mirrored": [list(pair) for pair in self.mirrored],
        }
        # Written only where it is known: files of classes without it stay as they were.
        return values if self.is_thing is None else values | {"is_thing": list(self.is_thing)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ClassTable":
        """The table that ``to_dict`` described."""
        colours, is_thing = values.get("colours"), values.get("is_thing")
        return cls(
            names=tuple(values["names"]),
            ids=tuple(values["ids"]),
            colours=None if colours is None else tuple((r, g, b) for r, g, b in colours),
            ignore_id=values.get("ignore_id", 255),
            mirrored=tuple((first, second) for first, second in values.get("mirrored") or ()),
            is_thing=None if is_thing is None else tuple(bool(thing) for thing in is_thing),
        )

    @classmethod
    def numbered(cls, count: int) -> "ClassTable":
        """Classes without names of their own: "class 0", "class 1" ..."""
        return cls(tuple(f"class {index}" for index in range(count)), tuple(range(count)))


def trimmed_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names without spaces at either end (an ADE20K name ends with one, behaviour 109), accents composed (NFC).

    One system writes an accent as a character of its own, another does not; such names are the same to their reader.

    Raises:
        InputError: When a name is not text, is empty, or occurs twice after trimming.
    """
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(
                f"{where}: entry {position + 1} is {name!r}, not text; put the class name in quotes"
            )
    trimmed = tuple(unicodedata.normalize("NFC", name.strip()) for name in names)
    check_names(trimmed, where)
    return trimmed


def check_names(names: Sequence[str], where: str) -> None:
    """Raises InputError for an empty or repeated name, naming its position from 1."""
    first: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if not name:
            raise InputError(f"{where}: the name of entry {position} is empty")
        if name in first:
            raise InputError(
                f"{where}: the class name {name!r} occurs twice, as entry {first[name]} and as entry {position}"
            )
        first[name] = position


def check_ids(ids: Sequence[int], where: str) -> None:
    """Raises InputError for an id outside 0..65535 or one that occurs twice."""
    first: dict[int, int] = {}
    for position, value in enumerate(ids, start=1):
        if not 0 <= value <= LARGEST_ID:
            raise InputError(f"{where}: entry {position} has the id {value}, mask values are 0..{LARGEST_ID}")
        if value in first:
            raise InputError(
                f"{where}: the id {value} occurs twice, as entry {first[value]} and as entry {position}"
            )
        first[value] = position
