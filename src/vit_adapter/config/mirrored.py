"""Classes that are exchanged in a mirror image: left hand and right hand."""

import re
from collections.abc import Sequence

from .class_table import ClassTable
from .errors import InputError

# Words for a side, with their counterpart; only whole words count ("bright" holds none).
_SIDES = (
    ("left", "right"),
    ("links", "rechts"),
    ("linke", "rechte"),
    ("linker", "rechter"),
    ("linkes", "rechtes"),
)
_SIDES += (("gauche", "droite"), ("gauche", "droit"), ("izquierda", "derecha"), ("izquierdo", "derecho"))
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])")
_SIDE_WORDS = {word for pair in _SIDES for word in pair}


def mirrored_pairs(
    table: ClassTable, wanted: Sequence[Sequence[str | int]], where: str = "--data.mirrored_classes"
) -> tuple[tuple[int, int], ...]:
    """Pairs of classes by name or mask value as pairs of contiguous labels.

    Args:
        table: The classes.
        wanted: Pairs; text is a class name, a number the class's value in the masks.
        where: How messages name the setting.

    Raises:
        InputError: An entry is not a pair, names no class, or a class occurs twice.
    """
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for pair in wanted:
        if isinstance(pair, str) or len(pair) != 2:
            raise InputError(
                f"{where}: {pair!r} is not a pair; expected something like [[left hand, right hand]]"
            )
        labels = [_label(table, entry, where) for entry in pair]
        for label in labels:
            if label in taken:
                raise InputError(f"{where}: the class {table.names[label]!r} occurs twice")
            taken.add(label)
        pairs.append((labels[0], labels[1]))
    return tuple(pairs)


def mirrored_order(table: ClassTable) -> list[int] | None:
    """For every class the one that it becomes in a mirror image; None where no pair is named."""
    if not table.mirrored:
        return None
    order = list(range(len(table)))
    for first, second in table.mirrored:
        order[first], order[second] = second, first
    return order


def sides_without_pair(table: ClassTable) -> list[str]:
    """Names of classes that hold a word for left or right and are in no pair."""
    paired = {label for pair in table.mirrored for label in pair}
    return [
        name
        for label, name in enumerate(table.names)
        if label not in paired and _SIDE_WORDS & {word.lower() for word in _WORD.findall(name)}
    ]


def mirror_warning(table: ClassTable, mirrors: str, remedy: str) -> str | None:
    """A line where mirror images would teach or score the wrong side; None where there is no reason for one.

    Args:
        table: The classes.
        mirrors: What mirrors images, such as "data.augmentation.flip 0.5".
        remedy: How to switch it off.
    """
    names = sides_without_pair(table)
    if not names:
        return None
    found = suggested_pairs(table.names)
    example = ", ".join(f"[{first}, {second}]" for first, second in found[:3]) or "[left hand, right hand]"
    more = ", ..." if len(found) > 3 else ""
    shown = ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return (
        f"class names hold left or right ({shown}) and {mirrors} mirrors images: name the classes that a mirror image "
        f'exchanges, --data.mirrored_classes "[{example}{more}]", or {remedy}'
    )


def suggested_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in the word for the side only."""
    by_lower = {name.lower(): name for name in names}
    pairs = []
    for name in names:
        for left, right in _SIDES:
            if left not in {word.lower() for word in _WORD.findall(name)}:
                continue
            other = by_lower.get(re.sub(left, right, name.lower()))
            if other is not None and (name, other) not in pairs:
                pairs.append((name, other))
    return pairs


def _label(table: ClassTable, entry: str | int, where: str) -> int:
    if isinstance(entry, str) and entry.strip() in table.names:
        return table.names.index(entry.strip())
    if isinstance(entry, int) and not isinstance(entry, bool) and entry in table.ids:
        return table.ids.index(entry)
    some = ", ".join(table.names[:8]) + (" ..." if len(table) > 8 else "")
    raise InputError(f"{where}: {entry!r} is not a class; expected a name or mask value of {some}")
