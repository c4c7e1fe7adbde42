"""From the settings to the mapping of label ids: class list, ignored values, binary masks, label map."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vit_adapter.config import ClassTable, DataConfig, InputError
from vit_adapter.config.class_table import LARGEST_ID, trimmed_names

from .class_files import ClassEntry, parse_class_list, read_class_file
from .class_search import find_class_file
from .labels import LabelMapping


def class_entries(config: DataConfig, root: Path | None) -> tuple[list[ClassEntry] | None, str, str]:
    """The class list of the settings, or of a class file in the root of the data set.

    Returns:
        The entries (None: there is no list), where they come from, for messages, and a remark on other lists ("").

    Raises:
        InputError: For a file that is not there or cannot be used, and for names that are empty or repeated.
    """
    if isinstance(config.classes, str) and config.classes.lstrip().startswith("["):
        # The command line hands over as text what is not a list of texts in YAML, such as [no, yes].
        return parse_class_list(config.classes, "--data.classes"), "--data.classes", ""
    if isinstance(config.classes, str):
        path = Path(config.classes)
        if not path.exists() and root is not None and (root / path).exists():
            path = root / path
        if not path.is_file():
            raise InputError(
                f"--data.classes: there is no file {config.classes!r}; give a file or a list of names"
            )
        return read_class_file(path), str(path), ""
    if config.classes is not None:
        names = trimmed_names(config.classes, "--data.classes")
        if not names:
            raise InputError("--data.classes: the list is empty, expected class names")
        return [ClassEntry(name, position) for position, name in enumerate(names)], "--data.classes", ""
    found = None if root is None else find_class_file(root)
    return (None, "the values found in the masks", "") if found is None else found


def build_mapping(
    config: DataConfig,
    entries: Sequence[ClassEntry] | None,
    found: Iterable[int],
    *,
    where: str,
    void_id: int | None = None,
    ignored: Collection[int] = (),
    label_map: Mapping[int, int] | None = None,
    reduce_zero: bool = False,
    by_colour: bool = True,
    kept: Collection[str] = (),
) -> LabelMapping:
    """The mapping of label ids.

    Args:
        config: The settings.
        entries: The class list; None: the classes are the ``found`` values.
        found: Mask values that occur, for a data set without class list and to tell 0/1 from 0/255 masks.
        where: Where the class list comes from, for messages.
        void_id: Mask value that this layout uses for ignored pixels, beside ``config.ignore``.
        ignored: Further values that it ignores.
        label_map: The layout's own label map; that of the settings comes before it.
        reduce_zero: The value 0 is ignored and k stands for class k - 1 (ADE20K; behaviour 91).
        by_colour: Masks may be read by the colours of the class list.
        kept: Names of classes that stay in the table though all their mask values are ignored (those of a trained
            model); other such classes are left out.

    Raises:
        InputError: For settings that contradict each other, and a label map with gaps or unknown classes.
    """
    found = sorted(set(found))
    # Rows without an id are ignored pixels: of them only the colour is needed.
    every_row, entries = entries, None if entries is None else [e for e in entries if e.id is not None]
    if config.binary:
        return _binary(config, entries, found, where, kept)
    void = {config.ignore, *config.ignored_values, *ignored} | ({void_id} if void_id is not None else set())
    if reduce_zero:
        void.add(0)
    if config.label_map is not None or label_map is not None:
        if config.label_map is not None:
            # A value that is sent to the ignore id is void.
            label_map = {value: label for value, label in config.label_map.items() if label != config.ignore}
            void |= config.label_map.keys() - label_map.keys()
            if reduce_zero and 0 in label_map and 0 not in config.ignored_values:
                raise InputError(
                    "--data.label_map: names the mask value 0, which --data.reduce_zero ignores; the map takes the "
                    "values as they are stored, before any shift: add 1 to each value of a map made for shifted ones"
                )
        values, table = _by_label_map(label_map or {}, entries, where, set(config.ignored_values), kept)
    else:
        if entries is None:
            entries = [ClassEntry(f"class {value}", value) for value in found if value not in void]
        elif reduce_zero and any(entry.id == 0 for entry in entries):
            entries = [replace(entry, id=(entry.id or 0) + 1) for entry in entries]
        if len(entries) > 255:
            # 255 is a class here unless it was also said to be void.
            void -= {255} & {e.id for e in entries} - set(config.ignored_values)
            void.add(65535)
        rows = [entry for entry in entries if entry.id not in void or entry.name in kept]
        ids = [entry.id for entry in rows if entry.id is not None]
        values = {id_: label for label, id_ in enumerate(ids) if id_ not in void}
        table = _table(rows, ids)
    void -= set(values)
    first = [void_id] if void_id is not None and config.ignore == DataConfig.ignore else []
    table = replace(table, ignore_id=_free_id(table.ids, [*first, config.ignore, *config.ignored_values]))
    mapping = _mapping(table, values, void, (every_row or ()) if by_colour else ())
    return replace(mapping, nearest=config.nearest_color)


def renamed(own: Sequence[ClassEntry], given: Sequence[ClassEntry]) -> list[ClassEntry]:
    """A layout's classes under given names, where those are as many and tell no mask values of their own."""
    if [entry.id for entry in given] not in (list(range(len(own))), [entry.id for entry in own]):
        return list(given)
    return [
        replace(new, id=old.id, colour=new.colour or old.colour, is_thing=old.is_thing)
        for old, new in zip(own, given)
    ]


def require_two_classes(
    table: ClassTable, where: str, one_class: bool = False, dropped: Sequence[str] = ()
) -> None:
    """Raises InputError for a single class: its score has nothing to be compared with, the loss would be 0.

    Args:
        table: The classes.
        where: Where they come from.
        one_class: A single class is enough.
        dropped: Names of classes that ``--data.ignored_values`` takes away.
    """
    if len(table) < (1 if one_class else 2) and dropped:
        left = f"only the class {table.names[0]!r} is left" if table.names else "no class is left"
        raise InputError(
            f"{where}: {left} when --data.ignored_values makes {', '.join(map(repr, dropped))} void, and there is "
            "nothing to tell it from; leave a value out of --data.ignored_values, or train with --model.head "
            "mask2former, which takes a single class; to leave a class out of the mean only, give its name to "
            "--evaluation.exclude_from_mean"
        )
    if len(table) < (1 if one_class else 2):
        listed = f"only the class {table.names[0]!r}" if table.names else "no class"
        name = table.names[0] if table.names else "object"
        raise InputError(
            f"{where}: {listed}, a segmentation needs two or more; name the rest too, "
            f'such as --data.classes "[background, {name}]" (--model.head mask2former takes a single class)'
        )


def _binary(
    config: DataConfig,
    entries: Sequence[ClassEntry] | None,
    found: list[int],
    where: str,
    kept: Collection[str],
) -> LabelMapping:
    if config.label_map is not None:
        raise InputError("--data.binary true and --data.label_map exclude each other; give one of them")
    names = ["background", "foreground"] if entries is None else [entry.name for entry in entries]
    if len(names) == 1 and config.one_class:
        id_ = 255 if 255 in found or 1 not in found else 1
        table = replace(_table([ClassEntry(names[0], id_)], [id_]), ignore_id=0)
        return replace(_mapping(table, {1: 0, 255: 0}, {0}, ()), binary=True, nearest=config.nearest_color)
    if len(names) == 1:
        raise InputError(
            f"{where}: binary masks have two classes, found only {names[0]!r}; "
            f'set --data.classes "[background, {names[0]}]"'
        )
    if len(names) != 2:
        raise InputError(f"{where}: {len(names)} classes, but masks of --data.binary true have two")
    clash = {0, 1, 255} & set(config.ignored_values)
    if clash and not set(names) <= set(kept):
        raise InputError(f"--data.ignored_values: {min(clash)} is a class in masks of --data.binary true")
    colours = [entry.colour for entry in entries or ()]
    rows = [ClassEntry(name, id_, c) for name, id_, c in zip(names, (0, 255), colours or (None, None))]
    table = _table(rows, [0, 255 if 255 in found or 1 not in found else 1])
    void = ({config.ignore} - {0, 1, 255}) | set(config.ignored_values)
    values = {value: label for value, label in {0: 0, 1: 1, 255: 1}.items() if value not in void}
    table = replace(table, ignore_id=_free_id(table.ids, [config.ignore, *config.ignored_values]))
    mapping = _mapping(table, values, void, rows)
    return replace(mapping, binary=True, nearest=config.nearest_color)


def _by_label_map(
    label_map: Mapping[int, int],
    entries: Sequence[ClassEntry] | None,
    where: str,
    ignored: Collection[int],
    kept: Collection[str],
) -> tuple[dict[int, int], ClassTable]:
    """Label map without what it ignores: several mask values may become one class.

    Values in ``ignored`` are void whatever the map says of them.
    """
    labels = set(label_map.values())
    count = len(entries) if entries is not None else len(labels)
    outside = sorted(label for label in labels if not 0 <= label < count)
    if not labels:
        raise InputError(
            "--data.label_map: no mask value becomes a class, expected {mask value: class number, ...}"
        )
    if outside and entries is not None:
        raise InputError(
            f"--data.label_map: class number {outside[0]} is not one of the {count} classes 0..{count - 1} of {where}"
        )
    if outside:
        raise InputError(
            f"--data.label_map: class numbers {sorted(labels)}, expected 0..{count - 1} without gaps"
        )
    if min(label_map) < 0:
        raise InputError(
            f"--data.label_map: the mask value {min(label_map)}, expected whole numbers from 0 on"
        )
    for label in range(count):
        if label not in labels and entries is not None:
            raise InputError(
                f"--data.label_map: no mask value becomes class {label} ({entries[label].name!r})"
            )
    # A class made of several values is written back as the smallest of them that a mask can hold, if there is one.
    smallest = [
        min(value for value, label in label_map.items() if label == number) for number in range(count)
    ]
    taken = {value for value in smallest if value <= LARGEST_ID}
    free = (value for value in range(LARGEST_ID) if value not in taken)
    ids = [value if value <= LARGEST_ID else next(free) for value in smallest]
    rows = list(entries) if entries is not None else [ClassEntry(f"class {n}", n) for n in range(count)]
    values = {value: label for value, label in label_map.items() if value not in ignored}
    for label, row in enumerate(rows):
        if label not in values.values() and row.name not in kept:
            raise InputError(
                f"--data.label_map: every mask value of class {label} ({row.name!r}) is in --data.ignored_values; "
                "leave the class out of the map, or the value out of --data.ignored_values"
            )
    return values, _table(rows, ids)


def _table(entries: Sequence[ClassEntry], ids: Sequence[int]) -> ClassTable:
    colours = [entry.colour for entry in entries if entry.colour is not None]
    if len(colours) < len(entries):
        colours = None
    names = tuple(entry.name for entry in entries)
    things = tuple(entry.is_thing for entry in entries if entry.is_thing is not None)
    return ClassTable(
        names,
        tuple(ids),
        tuple(colours) if colours else None,
        is_thing=things if things and len(things) == len(entries) else None,
    )


def _mapping(
    table: ClassTable, values: dict[int, int], void: set[int], entries: Sequence[ClassEntry]
) -> LabelMapping:
    ignored = dict.fromkeys(sorted(void), table.ignore_index)
    colours: dict[int, int] | None = None
    shared: set[int] = set()
    if any(entry.colour is not None for entry in entries):
        read = set(values.values())
        label_of = {name: label for label, name in enumerate(table.names) if label in read}
        colours = {}
        for entry in entries:
            if entry.colour is None:
                continue
            code = pack_colour(entry.colour)
            if code in colours or code in shared:
                shared.add(code)
                colours.pop(code, None)
            else:
                colours[code] = label_of.get(entry.name, table.ignore_index)
    return LabelMapping(
        table,
        {**ignored, **values},
        colours=colours,
        shared_colours=frozenset(shared),
    )


def pack_colour(colour: tuple[int, int, int]) -> int:
    """65536 red + 256 green + blue, as ``pack_colours`` makes it."""
    red, green, blue = colour
    return red * 65536 + green * 256 + blue


def _free_id(ids: Sequence[int], wishes: Sequence[int]) -> int:
    """The first wish, or else of the usual void values, that no class has."""
    taken = set(ids)
    return next(
        value
        for value in (*wishes, 255, 254, *range(LARGEST_ID, 0, -1))
        if value not in taken and 0 <= value <= LARGEST_ID
    )
