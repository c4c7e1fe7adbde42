"""Data sets: images with contiguous labels, whatever the form on disk."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import ClassTable, DataConfig, InputError, TaskName
from vit_adapter.config.mirrored import mirrored_pairs
from vit_adapter.images import Mask

from .found_objects import ObjectReader, instances_of
from .image_reading import ImageReading
from .label_findings import needless_shift, slips, too_large
from .labels import LabelMapping
from .layouts.pairs import Pair
from .mapping import require_two_classes
from .sample import AnnotatedImages, Sample
from .scan import MaskReading, MaskSummary, Palettes, evenly, found_values, hidden_foreground, used_palette
from .scenes.scene_dataset import SceneDataset
from .source import Source, find_layout
from .things import things_only, with_things, with_things_found

SAMPLE = 200  # masks looked through at the start where a class list says what to expect

Split = Literal["train", "val", "test"]


class FileDataset:
    """Pairs of image and mask files.

    Attributes:
        classes: The classes.
        names: Name of every image.
        config: The settings it was opened with.
        pairs: The files.
        reading: How mask files are read.
        mapping: How mask values become labels.
        remarks: Remarks on how its files were understood, one line each.
        images: How image files are read.
        void_labels: Labels of classes whose pixels are all ignored (of a model that knows them).
        objects: Reads the objects that go with a mask; None: samples hold labels alone.
        annotation_files: Files that tell of several images.
    """

    def __init__(
        self,
        config: DataConfig,
        pairs: Sequence[Pair],
        reading: MaskReading,
        mapping: LabelMapping,
        palettes: Palettes,
        images: ImageReading,
        remarks: Sequence[str] = (),
        objects: ObjectReader | None = None,
        annotation_files: Sequence[Path] = (),
    ) -> None:
        self.objects, self.annotation_files = objects, tuple(annotation_files)
        self.images = images
        self.config = config
        self.pairs = list(pairs)
        self.reading = reading
        self.mapping = mapping
        self.classes = mapping.table
        self.void_labels = mapping.void_labels
        self.names = [pair.name for pair in self.pairs]
        self._palettes = palettes
        self.remarks = list(remarks)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pairs)

    def read(self, index: int) -> Sample:
        """Reads an image, its labels and, where they are wanted, its objects.

        Raises:
            vit_adapter.images.UnreadableImageError: When the image cannot be decoded; such an image may be
                skipped.
            InputError: When the mask cannot be read, has another size than the image, holds an unknown value,
                or has a palette that disagrees with other files'.
        """
        pair = self.pairs[index]
        image = self.images.load(pair.image)
        mask, labels = self._read_mask(index)
        check_size(pair, image.shape[:2], labels.shape)
        return Sample(image, Annotation(labels, self._objects_of(index, mask, labels)), pair.name)

    def read_labels(self, index: int) -> np.ndarray:
        """The labels alone, uint8 or uint16 [H, W]; errors as for ``read``."""
        return self._read_mask(index)[1]

    def read_annotation(self, index: int) -> Annotation:
        """Labels and, where they are wanted, objects, without the image; errors as for ``read``."""
        mask, labels = self._read_mask(index)
        return Annotation(labels, self._objects_of(index, mask, labels))

    def _objects_of(self, index: int, mask: Mask, labels: np.ndarray) -> Instances | None:
        if self.objects is None:
            return None
        file = self.pairs[index].mask
        return instances_of(self.objects(file, mask, self.config.max_pixels), labels, self.mapping, file)

    def _read_mask(self, index: int) -> tuple[Mask, np.ndarray]:
        file = self.pairs[index].mask
        mask = self.reading.load(file)
        if self.reading.palettes_matter and self.mapping.colours is None and mask.palette is not None:
            problem = self._palettes.problem(file, used_palette(mask))
            if problem is not None:
                raise InputError(problem)
        return mask, self.mapping.encode(mask, str(file))


def check_size(pair: Pair, image: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """Raises InputError when an image and its mask differ in (height, width), in displayed orientation."""
    if image != mask and pair.mask == pair.image:
        turned = (
            "; annotate images as a viewer shows them, turned by their EXIF tag"
            if image == mask[::-1]
            else ""
        )
        raise InputError(
            f"{pair.image}: {image[1]}x{image[0]} pixels (width x height), but its annotations are for "
            f"{mask[1]}x{mask[0]}{turned}"
        )
    if image != mask:
        turned = (
            "; draw masks as a viewer shows the image, turned by its EXIF tag" if image == mask[::-1] else ""
        )
        raise InputError(
            f"{pair.mask}: {mask[1]}x{mask[0]} pixels (width x height), but its image {pair.image} has "
            f"{image[1]}x{image[0]}{turned}"
        )


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
    config = source.config
    part = source.layout.test if split == "test" else source.layout.parts[split]
    if part is None:
        raise InputError(
            f"{source.layout.root}: has no test part with masks ({source.layout.name}); its parts are train and val"
        )
    if part.problems:
        more = f" (and {len(part.problems) - 1} further problems)" if len(part.problems) > 1 else ""
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
