"""Rows of a class table: which column holds what, and cells as names, ids and colours."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.class_table import LARGEST_ID

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassEntry:
    """One row of a class list.

    Attributes:
        name: Name, trimmed.
        id: Mask value, 0..65535; None: an empty id, the row stands for ignored pixels.
        colour: (red, green, blue), 0..255, or None.
        is_thing: Whether its pixels fall into objects that can be counted; None: not known.
    """

    name: str
    id: int | None
    colour: Colour | None = None
    is_thing: bool | None = None


# Column names without spaces, "_" and "-", in lower case. Among names the first one counts.
_IDS = ("id", "idx", "index", "value", "labelid", "pixelvalue", "pixel", "classid", "categoryid", "maskvalue")
_NAMES = ("name", "classname", "labelname", "categoryname", "class", "label", "category")
_PLURALS = ("names", "classes", "labels", "categories", "classnames")  # of files without another name column
_CHANNELS = {"r": "r", "red": "r", "g": "g", "green": "g", "b": "b", "blue": "b"}
_COLOURS = ("colour", "color", "rgb", "hex", "colorrgb", "colourrgb")
_THINGS = ("isthing", "thing")
_UNUSED = ("a", "alpha", "supercategory", *_THINGS)  # understood, and no mask values
_YES_OR_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,9})")


def _key(column: Any) -> str:
    return re.sub(r"[\s_-]+", "", str(column).strip().lstrip("#")).lower()


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE.fullmatch(value.strip()) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Columns:
    """Which column of a table holds what; None: there is none.

    Attributes:
        name: Column of the names.
        id: Column of the mask values.
        channels: Columns of red, green and blue.
        colour: Column of whole colours.
    """

    name: str | None
    id: str | None
    channels: tuple[str, str, str] | None
    colour: str | None


def choose_columns(columns: Sequence[str], values: Callable[[str], list[Any]], path: Path) -> Columns:
    """Decides what each column of a table is.

    ``name`` wins over ``class`` and ``label``; such a column with whole numbers in it beside one of texts holds the
    mask values (``label,name``).

    Args:
        columns: Their headers as written.
        values: Header to the cells below it.
        path: The file, for messages.

    Raises:
        InputError: For a column of whole numbers that is not understood, and for several columns of mask values
            that differ.
    """
    keys = {column: _key(column) for column in columns}
    numeric = {
        column
        for column in columns
        if all(_whole(v) or _empty(v) for v in values(column)) and any(_whole(v) for v in values(column))
    }
    names = [column for word in _NAMES for column in columns if keys[column] == word]
    names = names or [column for column in columns if keys[column] in _PLURALS]
    texts = [column for column in names if column not in numeric]
    name = (texts or names or [None])[0]
    # A "class" or "label" beside the name holds the mask values where it holds numbers.
    ids = [c for c in columns if keys[c] in _IDS or (c in names and c in numeric and c != name)]
    number = _one_of(ids, values, path)
    by_channel = {_CHANNELS[keys[column]]: column for column in columns if keys[column] in _CHANNELS}
    channels = (by_channel["r"], by_channel["g"], by_channel["b"]) if len(by_channel) == 3 else None
    colour = next((column for column in columns if keys[column] in _COLOURS), None)
    used = {name, *ids, *(channels or ()), colour}
    for column in columns:
        if column in used or column not in numeric or keys[column] in _UNUSED:
            continue
        if column == "" and number is not None:  # row numbers, as pandas writes them
            continue
        if number is None or _could_be_ids(values(column), values(number)):
            beside = "" if number is None else f" beside the column {number!r}"
            raise InputError(
                f"{path}: the column {column!r} holds whole numbers{beside} and is not understood; if they are "
                "the values in the masks call it id, else remove it"
            )
    return Columns(name, number, channels, colour)


def _one_of(ids: Sequence[str], values: Callable[[str], list[Any]], path: Path) -> str | None:
    """The column of mask values; several must agree."""
    for other in ids[1:]:
        if [str(v).strip() for v in values(ids[0])] != [str(v).strip() for v in values(other)]:
            raise InputError(
                f"{path}: the columns {ids[0]!r} and {other!r} both look like mask values and differ; keep only the "
                "one whose values are in the masks"
            )
    return ids[0] if ids else None


def _could_be_ids(cells: Sequence[Any], known: Sequence[Any]) -> bool:
    """Numbers that masks could hold, all different, and not those of the known column of mask values."""
    numbers = [None if _empty(cell) else int(cell) for cell in cells]
    others = [None if _empty(cell) or not _whole(cell) else int(cell) for cell in known]
    possible = all(number is not None and 0 <= number <= LARGEST_ID for number in numbers)
    return possible and len(numbers) > 1 and len(set(numbers)) == len(numbers) and numbers != others


def is_table(first_line: str) -> bool:
    """Whether a line of text is the header of a table: two columns or more, all of them understood."""
    cells = [_key(cell) for cell in _cells(first_line, _delimiter(first_line))]
    known = {*_IDS, *_NAMES, *_CHANNELS, *_COLOURS, *_UNUSED}
    return len(cells) > 1 and set(cells) <= known and bool(set(cells) & set(_NAMES))


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def entries_from_csv(text: str, path: Path) -> list[ClassEntry]:
    """Rows of a CSV file with commas, semicolons or tabs, with or without a header."""
    delimiter = _delimiter(text.lstrip().partition("\n")[0])
    lines = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    rows = [row for row in lines if any(cell.strip() for cell in row)]
    if not rows:
        return []
    header = [cell.strip() for cell in rows[0]]
    if {_key(cell) for cell in header} & {*_NAMES, *_PLURALS} and not any(map(_whole, header)):
        rows = rows[1:]
        twice = [cell for cell in header if cell and header.count(cell) > 1]
        if twice:
            raise InputError(f"{path}: the column {twice[0]!r} occurs twice")
    else:
        forms = {1: ["name"], 2: ["id", "name"], 4: ["name", "r", "g", "b"], 5: ["id", "name", "r", "g", "b"]}
        if len(header) not in forms:
            raise InputError(f"{path}: {len(header)} columns without a header; expected id,name,r,g,b")
        header = forms[len(header)]
        if len(header) == 2 and all(len(row) == 2 and not _whole(row[0]) for row in rows):
            # NAME,7 is as common as 7,NAME, and NAME,#808080 as both.
            whole = all(_whole(row[1]) for row in rows)
            coloured = all(parse_colour(row[1]) is not None for row in rows)
            header = ["name", "id"] if whole else ["name", "colour"] if coloured else header
    for position, row in enumerate(rows):
        if len(row) < len(header):
            raise InputError(
                f"{path}: entry {position + 1} has {len(row)} cells, expected {len(header)}: {row}"
            )
    return entries_from_fields([dict(zip(header, row)) for row in rows], path)


def entries_from_fields(rows: Sequence[dict[str, Any]], path: Path) -> list[ClassEntry]:
    """Classes of rows that say what each of their cells is called.

    Raises:
        InputError: A row has no name or an impossible id or colour, or a column is not understood.
    """
    headers = list(dict.fromkeys(column for row in rows for column in row))
    columns = choose_columns(headers, lambda column: [row.get(column) for row in rows], path)
    entries = []
    for position, row in enumerate(rows):
        if columns.name is None or columns.name not in row:
            raise InputError(f"{path}: entry {position + 1} has no name: {row}")
        number = position
        if columns.id is not None:
            if columns.id not in row:
                raise InputError(f"{path}: entry {position + 1} has no {columns.id!r}: {row}")
            number = parse_id(row[columns.id], path, position)
        colour = None
        if columns.channels is not None:
            colour = require_colour([row.get(channel) for channel in columns.channels], path, position)
        elif columns.colour is not None and not _empty(row.get(columns.colour)):
            colour = require_colour(row[columns.colour], path, position)
        thing = next((row[column] for column in headers if _key(column) in _THINGS and column in row), None)
        entries.append(
            ClassEntry(row[columns.name], number, colour, _YES_OR_NO.get(str(thing).strip().lower()))
        )
    return entries


def parse_id(value: Any, path: Path, position: int) -> int | None:
    """A mask value; None for an empty cell, which means ignored."""
    if _empty(value):
        return None
    if _whole(value):
        return int(value)
    raise InputError(f"{path}: entry {position + 1} has the id {value!r}, expected a whole number")


def parse_colour(value: Any) -> Colour | None:
    """A colour as ``#808080``, ``(128, 128, 128)``, ``128 128 128`` or three numbers; None: it is none."""
    if isinstance(value, str):
        match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", value.strip())
        if match is not None:
            red, green, blue = (int(part, 16) for part in match.groups())
            return red, green, blue
        value = re.fullmatch(_NUMBERS, re.sub(r"^rgb", "", value.strip()))
        value = [] if value is None else value.groups()
    if not isinstance(value, Sequence) or len(value) != 3:
        return None
    if not all(_whole(part) and 0 <= int(part) <= 255 for part in value):
        return None
    red, green, blue = (int(part) for part in value)
    return red, green, blue


_NUMBERS = r"[(\[]?\s*(\d{1,3})\s*[,;\s]\s*(\d{1,3})\s*[,;\s]\s*(\d{1,3})\s*[)\]]?"


def require_colour(value: Any, path: Path, position: int) -> Colour:
    """A colour, or InputError with file and entry."""
    colour = parse_colour(value)
    if colour is None:
        raise InputError(
            f"{path}: entry {position + 1} has the colour {value!r}, expected three numbers 0..255"
        )
    return colour


_NAME_COLOUR = re.compile(rf"(?P<name>.*?[^\s:=,;])\s*[:=,;\s]\s*(?P<colour>#[0-9a-fA-F]{{6}}|{_NUMBERS})")
_COLOUR_NAME = re.compile(rf"(?P<colour>#[0-9a-fA-F]{{6}}|{_NUMBERS})\s*[:=,;\s]\s*(?P<name>[^\s:=,;].*)")
_NUMBER_NAME = re.compile(r"(?P<id>0|[1-9]\d{0,4})\s*[:=,;\s]\s*(?P<name>[^\s:=,;].*)")


def entries_from_text(lines: Sequence[str]) -> list[ClassEntry] | None:
    """Lines such as ``Sky: (128, 128, 128)``, ``Sky #808080``, ``128 128 128 Sky`` or ``7: Sky``.

    Returns:
        None where not every line has the same one of these forms, or where what would be names or ids repeats: then
        the whole lines are the names.
    """
    for form in (_NAME_COLOUR, _COLOUR_NAME, _NUMBER_NAME):
        matches = [match for line in lines if (match := form.fullmatch(line.strip())) is not None]
        if not lines or len(matches) < len(lines):
            continue
        names = [match["name"].strip() for match in matches]
        if form is _NUMBER_NAME:
            ids = [int(match["id"]) for match in matches]
            if len(set(ids)) == len(ids) and len(set(names)) == len(names):
                return [ClassEntry(name, number) for name, number in zip(names, ids)]
            continue
        colours = [parse_colour(match["colour"]) for match in matches]
        if None in colours or len(set(names)) < len(names):
            continue
        numbered = entries_from_text(names)  # 7: Sky (128, 128, 128)
        if numbered is not None and all(entry.colour is None for entry in numbered):
            return [replace(entry, colour=colour) for entry, colour in zip(numbered, colours)]
        return [ClassEntry(name, i, colour) for i, (name, colour) in enumerate(zip(names, colours))]
    return None
