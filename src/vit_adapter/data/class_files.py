"""Class lists as people write them: text, CSV, JSON, YAML, CVAT's label map, ADE20K's list.

Whatever the form, names stay as typed: ``no``, ``010`` and ``null`` in a YAML file are texts.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vit_adapter.config import InputError
from vit_adapter.config.class_table import check_ids, trimmed_names

Colour = tuple[int, int, int]

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
)


@dataclass(frozen=True)
class ClassEntry:
    """One row of a class list.

    Attributes:
        name: Name, trimmed.
        id: Mask value, 0..65535.
        colour: (red, green, blue), 0..255, or None.
    """

    name: str
    id: int
    colour: Colour | None = None


def read_class_file(path: str | Path) -> list[ClassEntry]:
    """The classes of a file, in its order.

    The form follows the suffix and, for text files, the content:

    * ``.txt``: one name a line, ids 0, 1, 2 ... (labelme's first line ``__ignore__`` is left out); CVAT's
      ``labelmap.txt`` (``name:r,g,b:parts:actions``); ADE20K's ``objectInfo150.txt``;
    * ``.csv``: ``name``, ``id,name``, ``name,r,g,b`` or ``id,name,r,g,b``, with or without a header;
    * ``.json``, ``.yaml``, ``.yml``: a list of names, ``{id: name}``, a list of pairs ``[id, name]``, or a list
      of ``{id, name, color}``; also below a key ``names`` or ``classes``.

    Raises:
        InputError: When the file cannot be read, is not UTF-8 (with or without a byte order mark; UTF-16 only
            with one), or holds an empty or repeated name or id; the message names file and entry.
    """
    path = Path(path)
    text = read_text(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        entries = _from_tree(_parse_json(text, path), path)
    elif suffix in (".yaml", ".yml"):
        entries = _from_tree(_parse_yaml(text, path), path)
    elif re.match(r"\s*idx\s*[,\t]", text, re.IGNORECASE):
        entries = _from_object_info(text, path)
    elif suffix in (".csv", ".tsv"):
        entries = _from_csv(text, path)
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
    check_ids([entry.id for entry in entries], where)
    return [ClassEntry(name, entry.id, entry.colour) for name, entry in zip(names, entries)]


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
    if lines and all(_CVAT_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")):
        return _from_label_map([line for line in lines if line and not line.startswith("#")], path)
    if lines and lines[0] == "__ignore__":  # labelme: the value -1, which no mask holds
        lines = lines[1:]
    return [ClassEntry(line, position) for position, line in enumerate(lines)]


_CVAT_LINE = re.compile(r"(?P<name>.+?):(?P<colour>\d{1,3},\d{1,3},\d{1,3}):[^:]*:[^:]*")


def _from_label_map(lines: list[str], path: Path) -> list[ClassEntry]:
    entries = []
    for position, line in enumerate(lines):
        match = _CVAT_LINE.fullmatch(line)
        assert match is not None  # the caller looked
        colour = _colour(match["colour"].split(","), path, position)
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


_COLUMNS = {
    "id": ("id", "idx", "index", "value", "label_id"),
    "name": ("name", "class", "label", "class_name", "classname"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
}


def _from_csv(text: str, path: Path) -> list[ClassEntry]:
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(c.strip() for c in row)]
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    columns = {key: header.index(w) for key, words in _COLUMNS.items() for w in words if w in header}
    if "name" in columns:
        rows = rows[1:]
    else:
        forms = {1: ["name"], 2: ["id", "name"], 4: ["name", "r", "g", "b"], 5: ["id", "name", "r", "g", "b"]}
        if len(header) not in forms:
            raise InputError(f"{path}: {len(header)} columns without a header; expected id,name,r,g,b")
        columns = {key: index for index, key in enumerate(forms[len(header)])}
    coloured = {"r", "g", "b"} <= columns.keys()
    entries = []
    for position, row in enumerate(rows):
        if len(row) <= max(columns.values()):
            raise InputError(
                f"{path}: entry {position + 1} has {len(row)} cells, expected {len(header)}: {row}"
            )
        number = _id(row[columns["id"]], path, position) if "id" in columns else position
        colour = _colour([row[columns[c]] for c in "rgb"], path, position) if coloured else None
        entries.append(ClassEntry(row[columns["name"]], number, colour))
    return entries


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
        return [_entry_of_pair(key, value, path, position) for position, (key, value) in enumerate(tree)]
    if not isinstance(tree, list):
        raise InputError(f"{path}: expected a list of class names or {{id: name}}, found {tree!r}")
    entries = []
    for position, item in enumerate(tree):
        if isinstance(item, _Pairs):
            fields = {str(key).lower(): value for key, value in item}
            entries.append(_entry_of_fields(fields, path, position))
        elif isinstance(item, list):
            if len(item) != 2:
                raise InputError(f"{path}: entry {position + 1} is {item!r}, expected [id, name]")
            entries.append(_entry_of_pair(item[0], item[1], path, position))
        else:
            entries.append(ClassEntry(item, position))  # trimmed_names refuses what is not text
    return entries


def _entry_of_pair(key: Any, value: Any, path: Path, position: int) -> ClassEntry:
    if isinstance(value, _Pairs):
        fields = {str(k).lower(): v for k, v in value}
        return _entry_of_fields(fields | {"id": key}, path, position)
    return ClassEntry(value, _id(key, path, position))


def _entry_of_fields(fields: dict[str, Any], path: Path, position: int) -> ClassEntry:
    found: dict[str, Any] = {}
    for column, words in {**_COLUMNS, "colour": ("colour", "color", "rgb")}.items():
        for word in words:
            if word in fields:
                found[column] = fields[word]
    if "name" not in found:
        raise InputError(f"{path}: entry {position + 1} has no name: {fields}")
    number = _id(found["id"], path, position) if "id" in found else position
    colour = _colour(found["colour"], path, position) if found.get("colour") is not None else None
    return ClassEntry(found["name"], number, colour)


def _id(value: Any, path: Path, position: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d{0,9})", value.strip()):
        return int(value)
    raise InputError(f"{path}: entry {position + 1} has the id {value!r}, expected a whole number")


def _colour(value: str | Sequence[Any], path: Path, position: int) -> Colour:
    if isinstance(value, str):
        match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", value.strip())
        numbers = [int(part, 16) for part in match.groups()] if match else []
    else:
        try:
            numbers = [int(str(part).strip()) for part in value]
        except ValueError:
            numbers = []
    if len(numbers) != 3 or not all(0 <= number <= 255 for number in numbers):
        raise InputError(
            f"{path}: entry {position + 1} has the colour {value!r}, expected three numbers 0..255"
        )
    return numbers[0], numbers[1], numbers[2]
