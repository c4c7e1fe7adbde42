"""Data sets: images with contiguous labels, whatever the form on disk."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from vit_adapter.config import ClassTable, DataConfig, InputError, TaskName
from vit_adapter.config.mirrored import mirrored_pairs

from .file_dataset import FileDataset
from .image_reading import ImageReading
from .label_findings import needless_shift, slips, too_large
from .labels import LabelMapping
from .mapping import require_two_classes
from .sample import AnnotatedImages
from .scan import MaskSummary, Palettes, evenly, found_values, hidden_foreground
from .scenes.scene_dataset import SceneDataset
from .source import Source, find_layout
from .things import things_only, with_things, with_things_found

SAMPLE = 200  # masks looked through at the start where a class list says what to expect

Split = Literal["train", "val", "test"]


def open_dataset(
    config: DataConfig,
    split: Split,
    channels: int | None = None,
    model_classes: ClassTable | None = None,
    task: TaskName = "semantic",
) -> AnnotatedImages:
    """Opens one part of a data set.

    Without a class list all masks of both sides are looked through, and the classes are the values found, in
    ascending order; nothing is stored between calls. With one, a sample of 200 masks is, for mistakes that
    would train on nothing.

    Args:
        config: Where it is and how its masks are to be read.
        split: "train", "val", or "test" where the data set has such a part.
        channels: Channels of the images that the model takes; None: as many as ``config.mean`` has numbers, else 3.
        task: What samples are for. "semantic": they hold labels alone. Otherwise they hold objects as well; for
            "instance" and "detection" the classes are only those that are things, and other pixels are ignored.
        model_classes: Classes of the trained model that is applied to it. Those that the settings declare void stay
            in the table, their pixels being ignored; without a class list masks with the model's values have its
            classes.

    Raises:
        InputError: For a missing folder, files that belong nowhere, an empty side, a single class, masks that need
            another setting, palettes that disagree, or masks without any pixel of a class.
    """
    if split not in ("train", "val", "test"):
        raise InputError(f'split {split!r}: expected "train", "val" or "test"')
    if config.layout == "scenes":
        refuse_mask_settings(config)
        if ImageReading.of(config, channels).channels != 3:
            raise InputError(
                f"--data.layout scenes: the embedded scenes are RGB, the model takes {channels} channels"
            )
        scenes = SceneDataset(config, split, task)
        scenes.classes = with_pairs(scenes.classes, config)
        return scenes
    source = Source.find(config, channels, model_classes, task)
    source.layout.require(task)
    config = source.config
    part = source.layout.test if split == "test" else source.layout.parts[split]
    if part is None:
        raise InputError(
            f"{source.layout.root}: has no test part with masks ({source.layout.name}); its parts are train and val"
        )
    if part.problems:
        others = len(part.problems) - 1
        more = f" (and {others} further problem{'s' if others > 1 else ''})" if others else ""
        raise InputError(part.problems[0] + more)
    if not part.pairs:
        raise InputError(f"{source.layout.root}: the {split} part holds no image")
    files = source.mask_files()
    summaries = _scan(source, evenly(files, None if source.needs_values else SAMPLE))
    mapping, palettes = mapping_and_palettes(source, summaries)
    if only_void(summaries, mapping) and len(summaries) < len(files):
        summaries = _scan(source, files)
    if only_void(summaries, mapping):
        raise InputError(
            f"{source.layout.root}: all pixels of all {len(summaries)} masks are ignored (values "
            f"{', '.join(map(str, sorted(mapping.ignored)))}), nothing is left to learn; see --data.ignore, "
            "--data.classes and --data.label_map"
        )
    if task != "semantic":
        mapping = _with_objects(source, mapping, task)
    mapping = replace(mapping, table=with_pairs(mapping.table, config))
    everything = len(summaries) == len(files)
    remarks = [*source.remarks, *needless_shift(source, summaries, everything)]
    remarks += slips(summaries, mapping) if everything else []
    return FileDataset(
        config,
        part.pairs,
        source.reading,
        mapping,
        palettes,
        source.images,
        remarks,
        None if task == "semantic" else source.layout.objects,
        source.layout.annotation_files,
    )


def _with_objects(source: Source, mapping: LabelMapping, task: TaskName) -> LabelMapping:
    """The mapping with things told from stuff and, for tasks that know things only, without the rest."""
    root, entries, things = (
        str(source.layout.root),
        source.layout.entries or source.entries,
        source.layout.things,
    )
    if things is None and entries and all(entry.is_thing is not None for entry in entries):
        things = frozenset(entry.id for entry in entries if entry.is_thing and entry.id is not None)
    if mapping.table.is_thing is None and things is not None:
        mapping = with_things(mapping, things, root)
    if mapping.table.is_thing is None:
        mapping = with_things_found(source, mapping)
    if task == "panoptic":
        return mapping
    kept = () if source.model_classes is None else source.model_classes.names
    return things_only(mapping, kept, root)


def offered_tasks(config: DataConfig) -> tuple[TaskName, ...]:
    """What the truth of a data set is enough for, the most telling task first; found without opening it.

    Raises:
        InputError: As ``open_dataset`` for what is not there.
    """
    if config.layout == "scenes":
        return SceneDataset.tasks
    tasks = find_layout(config).tasks
    if "instance" not in tasks or "detection" in tasks:
        return tasks
    # Objects with masks have boxes, too.
    after = tasks.index("instance") + 1
    return (*tasks[:after], "detection", *tasks[after:])


def refuse_mask_settings(config: DataConfig) -> None:
    """Raises InputError for settings about mask values, which embedded scenes do not have."""
    for name in ("ignored_values", "label_map", "binary", "reduce_zero", "classes"):
        if getattr(config, name):
            raise InputError(f"--data.{name}: embedded scenes have no mask files, so it cannot apply to them")


def with_pairs(table: ClassTable, config: DataConfig) -> ClassTable:
    """The classes with the pairs that a mirror image exchanges.

    Raises:
        InputError: A pair names no class.
    """
    return replace(table, mirrored=mirrored_pairs(table, config.mirrored_classes or ()))


def mapping_and_palettes(source: Source, summaries: Sequence[MaskSummary]) -> tuple[LabelMapping, Palettes]:
    """Mapping and palettes of a data set whose masks were looked through.

    Raises:
        InputError: When the masks need another setting.
    """
    if source.entries is not None:
        require_two_classes(
            source.mapping(set()).table, source.where, source.config.one_class, dropped(source)
        )
    palettes = Palettes()
    for summary in summaries:
        if summary.codes.coloured and source.reading.colours is None:
            mapping = source.mapping({0, 1})
            raise InputError(mapping.unknown_message(summary.counts, summary.codes, str(summary.file)))
        if source.reading.colours is None:
            problem = palettes.problem(summary.file, summary.palette)
            if problem is not None:
                raise InputError(problem)
            palettes.add(summary.file, summary.palette)
    if source.reads_255_as_void:
        problem = hidden_foreground(summaries)
        if problem is not None:
            raise InputError(problem)
    for problem in too_large(source, summaries):
        raise InputError(problem)
    mapping = source.mapping(found_values(summaries))
    where = f"{source.layout.root}: {source.where}"
    require_two_classes(
        mapping.table, where, source.config.one_class, dropped(source, found_values(summaries))
    )
    return mapping, palettes


def dropped(source: Source, found: Collection[int] = ()) -> list[str]:
    """Names of the classes that ``--data.ignored_values`` takes away."""
    wanted = set(source.config.ignored_values)
    if source.entries is None:
        return [f"class {value}" for value in sorted((wanted - {255}) & set(found))]
    return [entry.name for entry in source.entries if entry.id in wanted]


def only_void(summaries: Sequence[MaskSummary], mapping: LabelMapping) -> bool:
    """No pixel of the masks is of a class, and none is unknown."""
    void = mapping.table.ignore_index
    return all(mapping.label(code, some.codes.coloured) == void for some in summaries for code in some.counts)


def _scan(source: Source, files: Sequence[Path]) -> list[MaskSummary]:
    summaries, errors = source.reading.scan(files)
    if errors:
        raise errors[0]
    return summaries
