"""Which classes of a data set are things, and tables of things alone."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from vit_adapter.config import ClassTable, InputError

from .found_objects import instances_of
from .labels import LabelMapping
from .scan import THREADS
from .source import Source


def with_things(mapping: LabelMapping, things: Collection[int], where: str) -> LabelMapping:
    """The mapping, its table saying which classes are things.

    Args:
        mapping: From mask values to labels.
        things: Mask values of things.
        where: The data set, for messages.

    Raises:
        InputError: A class is made of things and of others.
    """
    void = mapping.table.ignore_index
    thing = {mapping.values[value] for value in things if mapping.values.get(value, void) != void}
    stuff = {label for value, label in mapping.values.items() if value not in things and label != void}
    if thing & stuff:
        name = mapping.table.names[min(thing & stuff)]
        raise InputError(
            f"{where}: the class {name!r} is made of things and of others; --data.label_map may join things with "
            "things, stuff with stuff"
        )
    is_thing = tuple(label in thing for label in range(len(mapping.table)))
    return replace(mapping, table=replace(mapping.table, is_thing=is_thing))


def things_only(mapping: LabelMapping, kept: Collection[str], where: str) -> LabelMapping:
    """A mapping to classes that are things; pixels of others are ignored.

    Args:
        mapping: Whose table says which classes are things.
        kept: Names of further classes that stay (those of a trained model).
        where: The data set, for messages.

    Raises:
        InputError: No class is a thing.
    """
    table, things = mapping.table, mapping.table.is_thing or ()
    if not any(things):
        raise InputError(f"{where}: no class is a thing, so there are no objects to learn")
    labels = [label for label, name in enumerate(table.names) if things[label] or name in kept]
    if len(labels) == len(table):
        return mapping
    shorter = ClassTable(
        tuple(table.names[label] for label in labels),
        tuple(table.ids[label] for label in labels),
        None if table.colours is None else tuple(table.colours[label] for label in labels),
        table.ignore_id,
        is_thing=tuple(things[label] for label in labels),
    )
    new = np.full(max(len(table), table.ignore_index) + 1, shorter.ignore_index)
    new[labels] = range(len(labels))
    values = {value: int(new[label]) for value, label in mapping.values.items()}
    colours = mapping.colours and {colour: int(new[label]) for colour, label in mapping.colours.items()}
    return replace(mapping, table=shorter, values=values, colours=colours)


def with_things_found(source: Source, mapping: LabelMapping) -> LabelMapping:
    """The mapping, its things being the classes that have an object in any file of the data set.

    All files are looked through, since which classes there are must not depend on a sample; a class list with a column
    "thing" saves the time.

    Raises:
        InputError: A file cannot be read, or an object lies over two classes.
    """
    assert source.layout.objects is not None
    reader, limit = source.layout.objects, source.config.max_pixels
    everything = replace(mapping, table=replace(mapping.table, is_thing=None))

    def labels_of_objects(file: Path) -> set[int]:
        mask = source.reading.load(file)
        found = instances_of(reader(file, mask, limit), everything.encode(mask, str(file)), everything, file)
        assert found.crowd is not None
        return set(found.classes[~found.crowd].tolist())

    with ThreadPoolExecutor(THREADS) as pool:
        things = set().union(*pool.map(labels_of_objects, source.mask_files()))
    is_thing = tuple(label in things for label in range(len(mapping.table)))
    return replace(mapping, table=replace(mapping.table, is_thing=is_thing))
