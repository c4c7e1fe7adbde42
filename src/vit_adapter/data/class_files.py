"""Class lists as people write them: text, CSV, JSON, YAML, CVAT's label map, ADE20K's list.

Whatever the form, names stay as typed: ``no``, ``010`` and ``null`` in a YAML file are texts.
"""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from vit_adapter.config import InputError
from vit_adapter.config.class_table import check_ids, trimmed_names
from vit_adapter.config.paths import takes_paths

from .class_rows import (
    ClassEntry,
    Colour,
    entries_from_csv,
    entries_from_fields,
    entries_from_text,
    is_table,
    parse_colour,
    parse_id,
    require_colour,
)

__all__ = ["CLASS_FILE_NAMES", "ClassEntry", "Colour", "parse_class_list", "read_class_file", "read_text"]

# Looked for in the root of a data set, in this order, when no class list is given.
CLASS_FILE_NAMES = (
    "classes.txt",
    "classes.csv",
    "classes.json",
    "classes.yaml",
    "classes.yml",
    "class_names.txt",
    "class_dict.csv",
    "labelmap.txt",
    "_classes.csv",
)


@takes_paths("path")
def read_class_file(path: str | Path) -> list[ClassEntry]:
    """The classes of a file, in its order.

    The form follows the suffix and, for text files, the content:

    * ``.txt``: one name per line, ids 0, 1, 2 ... (labelme's first line ``__ignore__`` is left out); CVAT's
      ``labelmap.txt`` (``name:r,g,b:parts:actions``); ADE20K's ``objectInfo150.txt``; or every line with a colour
      or number: ``Sky: (128, 128, 128)``, ``Sky #808080``, ``128 128 128 Sky``, ``7: Sky``;
    * ``.csv``: with a header, in any order, a column of names, of mask values (id, value, pixel value, class_id,
      category_id ...) and of colours (r, g, b, or color); without one ``name``, ``id,name``, ``name,r,g,b`` or
      ``id,name,r,g,b``;
    * ``.json``, ``.yaml``, ``.yml``: a list of names, ``{id: name}``, ``{name: colour}``, a list of pairs
      ``[id, name]``, or a list of ``{id, name, color}``; also below a key ``names`` or ``classes``.

    A row whose id is empty stands for ignored pixels.

    Raises:
        InputError: When the file cannot be read, is not UTF-8 (with or without a byte order mark; UTF-16 only
            with one), holds an empty or repeated name or a repeated id, or a column of whole numbers that is not
            understood; the message names file and entry or column.
    """
    path = Path(path)
    text = read_text(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        entries = _from_tree(_parse_json(text, path), path)
    elif suffix in (".yaml", ".yml"):
        entries = _from_tree(_parse_yaml(text, path), path)
    elif re.match(r"\s*idx\s*[,\t]\s*ratio\b", text, re.IGNORECASE):
        entries = _from_object_info(text, path)
    elif suffix in (".csv", ".tsv"):
        entries = entries_from_csv(text, path)
    else:
        entries = _from_lines(text, path)
    return _checked(entries, str(path))


def parse_class_list(text: str, where: str) -> list[ClassEntry]:
    """The classes of a list written as YAML, such as ``[no, yes]``; names as typed, errors as for a file."""
    place = Path(where)
    return _checked(_from_tree(_parse_yaml(text, place), place), where)


def _checked(entries: list[ClassEntry], where: str) -> list[ClassEntry]:
    if not entries:
        raise InputError(f"{where}: holds no class name")
    names = trimmed_names([entry.name for entry in entries], where)
    check_ids([entry.id for entry in entries if entry.id is not None], where)
    if all(entry.id is None for entry in entries):
        raise InputError(
            f"{where}: every id is empty, which means ignored; expected the mask value of each class"
        )
    return [replace(entry, name=name) for name, entry in zip(names, entries)]


def read_text(path: Path) -> str:
    """Text of a small file, decoded as UTF-8 or, with a byte order mark, UTF-16."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        value = data[error.start]
        raise InputError(
            f"{path}: is not {error.encoding.upper()} text (byte 0x{value:02X} at position {error.start}, "
            "perhaps cp1252); save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: holds NUL characters, perhaps UTF-16; save the file as UTF-8")
    return text


def _from_lines(text: str, path: Path) -> list[ClassEntry]:
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    label_map = [line for line in lines if line and not line.startswith("#")]
    if label_map and all(_CVAT_LINE.fullmatch(line) for line in label_map):
        return _from_label_map(label_map, path)
    if lines and lines[0] == "__ignore__":  # labelme: the value -1, which no mask holds
        lines = lines[1:]
    if lines and is_table(lines[0]):
        return entries_from_csv("\n".join(lines), path)
    entries = entries_from_text([line for line in lines if line])
    if entries is not None:
        return entries
    return [ClassEntry(line, position) for position, line in enumerate(lines)]


_CVAT_LINE = re.compile(r"(?P<name>.+?):(?P<colour>\d{1,3},\d{1,3},\d{1,3}):[^:]*:[^:]*")


def _from_label_map(lines: list[str], path: Path) -> list[ClassEntry]:
    entries = []
    for position, line in enumerate(lines):
        match = _CVAT_LINE.fullmatch(line)
        assert match is not None  # the caller looked
        colour = require_colour(match["colour"].split(","), path, position)
        entries.append(ClassEntry(match["name"], position, colour))
    return entries


def _from_object_info(text: str, path: Path) -> list[ClassEntry]:
    """ADE20K: the first synonym is the name; where two classes share it, the whole entry."""
    delimiter = "\t" if "\t" in text.splitlines()[0] else ","
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    try:
        numbers = [int(row["Idx"]) for row in rows]
        synonyms = [re.split(r"[,;]", row["Name"]) for row in rows]
        whole = [row["Name"] for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected the columns Idx and Name of ADE20K's object list") from None
    firsts = [words[0].strip() for words in synonyms]
    names = [first if firsts.count(first) == 1 else full for first, full in zip(firsts, whole)]
    return [ClassEntry(name, number) for name, number in zip(names, numbers)]


class _Pairs(list[tuple[Any, Any]]):
    """A mapping with repeated keys kept, so that they can be refused."""


def _parse_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Pairs)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error})") from None


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        # The base loader knows texts only: no, null and 010 are what was typed.
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    return None if node is None else _yaml_value(node, path, depth=0)


def _yaml_value(node: yaml.Node, path: Path, depth: int) -> Any:
    if depth > 5:
        raise InputError(f"{path}: is nested too deeply for a class list")
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_yaml_value(child, path, depth + 1) for child in node.value]
    return _Pairs((_yaml_value(k, path, depth + 1), _yaml_value(v, path, depth + 1)) for k, v in node.value)


def _from_tree(tree: Any, path: Path) -> list[ClassEntry]:
    if isinstance(tree, _Pairs):
        inner = [value for key, value in tree if key in ("names", "classes")]
        if len(inner) == 1 and isinstance(inner[0], list):
            return _from_tree(inner[0], path)
        if tree and all(isinstance(value, _Pairs) for _, value in tree):
            # {7: {name: road}}; an id inside would contradict the key.
            return entries_from_fields([{**_fields(value), "id": key} for key, value in tree], path)
        return [_entry_of_pair(key, value, path, position) for position, (key, value) in enumerate(tree)]
    if not isinstance(tree, list):
        raise InputError(f"{path}: expected a list of class names or {{id: name}}, found {tree!r}")
    if tree and all(isinstance(item, _Pairs) for item in tree):
        return entries_from_fields([_fields(item) for item in tree], path)
    entries = []
    for position, item in enumerate(tree):
        if isinstance(item, _Pairs):
            raise InputError(
                f"{path}: entry {position + 1} is {dict(item)!r}, but others are no such records"
            )
        if isinstance(item, list):
            if len(item) != 2:
                raise InputError(f"{path}: entry {position + 1} is {item!r}, expected [id, name]")
            entries.append(_entry_of_pair(item[0], item[1], path, position))
        else:
            entries.append(ClassEntry(item, position))  # trimmed_names refuses what is not text
    return entries


def _fields(pairs: _Pairs) -> dict[str, Any]:
    return {str(key): value for key, value in pairs}


def _entry_of_pair(key: Any, value: Any, path: Path, position: int) -> ClassEntry:
    colour = parse_colour(value)
    if colour is not None and not re.fullmatch(r"\d+", str(key)):
        return ClassEntry(key, position, colour)
    if re.fullmatch(r"\d+", str(value).strip()) and not re.fullmatch(r"-?\d+", str(key).strip()):
        key, value = value, key  # {road: 7}
    return ClassEntry(value, parse_id(key, path, position))
