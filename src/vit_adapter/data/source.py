"""From the settings to a data set that can be opened: where its files are and how its masks are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from vit_adapter.config import ClassTable, DataConfig, InputError, TaskName

from .class_files import ClassEntry
from .image_reading import ImageReading
from .labels import LabelMapping
from .layouts.folder import find_folder
from .layouts.layout import Layout
from .layouts.readers import READERS
from .mapping import build_mapping, class_entries, pack_colour, renamed
from .other_forms import advice
from .scan import MaskReading


def find_layout(
    config: DataConfig, images: ImageReading | None = None, task: TaskName = "semantic"
) -> Layout:
    """The data set that ``config.root`` holds.

    Args:
        config: The settings.
        images: How images are read; None: as the settings say.
        task: What it is read for.

    Raises:
        InputError: For a folder that is not there, holds no data set of the layout, or could be of several; where it
            holds COCO or labelme annotations, with the command that makes masks of them.
    """
    if not config.root:
        raise InputError("--data.root: names no folder; give the folder of the data set")
    root = Path(config.root)
    if not root.is_dir():
        converted = advice(root) if root.is_file() else None
        if converted is not None:
            raise InputError(converted)
        reason = "is a file, expected a folder" if root.exists() else "there is no such folder"
        raise InputError(f"{root}: {reason} (--data.root)")
    images = images or ImageReading.of(config)
    if config.layout in READERS:
        return READERS[config.layout].find(root, config, images, task)
    if config.layout == "auto":
        fitting = [name for name, reader in READERS.items() if reader.recognises(root)]
        if len(fitting) > 1:
            choices = " or ".join(f"--data.layout {name}" for name in fitting)
            raise InputError(f"{root}: could be read in several ways; choose {choices}")
        if fitting:
            return READERS[fitting[0]].find(root, config, images, task)
    try:
        layout = find_folder(root, config, images.channels, task)
    except InputError as error:
        raise InputError(advice(root) or str(error)) from None
    if not any(part.pairs for part in layout.parts.values()):
        other = advice(root)
        if other is not None:
            raise InputError(other)
    return layout


@dataclass(frozen=True)
class Source:
    """A data set on disk before its masks are looked at.

    Attributes:
        config: The settings.
        layout: Its parts, with what is wrong about the files.
        entries: The class list; None: the classes are the values in the masks.
        where: Where the class list comes from, for messages.
        by_colour: Masks may be read by the colours of the class list.
        images: How images are read.
        remarks: Remarks on how the data set was understood, one line each.
        model_classes: Classes of the trained model that the data set is opened for; None: there is none.
    """

    config: DataConfig
    layout: Layout
    entries: Sequence[ClassEntry] | None
    where: str
    by_colour: bool = True
    images: ImageReading = field(default_factory=ImageReading)
    remarks: tuple[str, ...] = ()
    model_classes: ClassTable | None = None

    @classmethod
    def find(
        cls,
        config: DataConfig,
        channels: int | None = None,
        model_classes: ClassTable | None = None,
        task: TaskName = "semantic",
    ) -> "Source":
        """Finds the files and the class list; ``config.classes`` comes before the layout's own.

        Args:
            config: The settings.
            channels: Channels of the model's images; None: see ``ImageReading.of``.
            model_classes: Classes of the trained model that the data set is opened for.
            task: What it is opened for.

        Raises:
            InputError: For what is not there or not enough for the task, and settings that contradict a published data
                set.
        """
        images = ImageReading.of(config, channels)
        layout = find_layout(config, images, task)
        if task != "semantic":
            layout.require(task)
            config = replace(config, one_class=True)
        if layout.published and config.reduce_zero and not layout.reduce_zero:
            raise InputError(
                f"--data.reduce_zero true: {layout.entries_from} have the value 0 among them; set it to false"
            )
        if config.skip_unlabelled and layout.name != "folder":
            raise InputError(
                f"--data.skip_unlabelled true: goes with a plain folder, not with the layout {layout.name}"
            )
        if config.classes is None and layout.entries is not None:
            where, by_colour, remarks = layout.entries_from, not layout.published, _own_results(layout)
            return cls(config, layout, layout.entries, where, by_colour, images, remarks, model_classes)
        entries, where, remark = class_entries(config, layout.root)
        lonely = {image for part in layout.parts.values() for image in part.unlabelled}
        refused = not config.skip_unlabelled and any(part.problems for part in layout.parts.values())
        left_out = (
            f"images without a mask, which are left out: {len(lonely)}" if lonely and not refused else ""
        )
        remarks = tuple(line for line in (remark, left_out, *_own_results(layout)) if line)
        # Of published masks the values count, unless somebody gives colours.
        by_colour = not layout.published or any(entry.colour is not None for entry in entries or ())
        if entries is not None and layout.entries is not None and config.label_map is None:
            entries = renamed(layout.entries, entries)
            if layout.published and len(entries) != len(layout.entries):
                raise InputError(
                    f"{where}: names {len(entries)} classes, but the masks hold {layout.entries_from}; leave "
                    "--data.classes away, or merge classes with --data.label_map"
                )
        return cls(config, layout, entries, where, by_colour, images, remarks, model_classes)

    @property
    def reads_255_as_void(self) -> bool:
        """255 is void by default, not because the layout or somebody said so."""
        config, layout = self.config, self.layout
        said = 255 in config.ignored_values or config.label_map is not None or config.reduce_zero
        known = layout.void_id == 255 or 255 in layout.ignored or layout.reduce_zero or layout.label_map
        return config.ignore == 255 and not said and not known and not config.binary

    @property
    def needs_values(self) -> bool:
        """The class list is made of the values in all masks."""
        return self.entries is None and self.config.label_map is None and not self.config.binary

    @cached_property
    def reading(self) -> MaskReading:
        """How masks are read."""
        colours = None
        if self.by_colour and any(entry.colour is not None for entry in self.entries or ()):
            colours = {pack_colour(entry.colour) for entry in self.entries or () if entry.colour is not None}
        void = {self.config.ignore, *self.config.ignored_values}
        palettes_matter, limit = not self.layout.published, self.config.max_pixels
        config = self.config
        if config.nearest_color and colours is None and not config.binary:
            raise InputError(
                "--data.nearest_color true: there are no colours to compare with; give a colour table with "
                "--data.classes FILE, or set --data.binary true for masks of 0 and 255"
            )
        reader = self.layout.reader
        return MaskReading(
            config.no_data, colours, void, palettes_matter, reader, limit, config.nearest_color, config.binary
        )

    def mask_files(self) -> list[Path]:
        """All masks, training before validation, none twice."""
        files = [pair.mask for part in self.layout.parts.values() for pair in part.pairs]
        return list(dict.fromkeys(files))

    def mapping(self, found: set[int]) -> LabelMapping:
        """The mapping of label ids, given the mask values that occur.

        Raises:
            InputError: See ``build_mapping``.
        """
        layout = self.layout
        known = self.model_classes
        return build_mapping(
            self.config,
            self._model_entries(found) if self.needs_values else self.entries,
            found,
            where=self.where,
            void_id=layout.void_id,
            ignored=layout.ignored,
            label_map=layout.label_map,
            reduce_zero=layout.reduce_zero or self.config.reduce_zero,
            by_colour=self.by_colour,
            kept=() if known is None else known.names,
        )

    def _model_entries(self, found: set[int]) -> list[ClassEntry] | None:
        """The model's classes where the data set brings no list and its masks hold the model's own values."""
        known, config, layout = self.model_classes, self.config, self.layout
        if known is None or (config.reduce_zero and 0 in known.ids):
            return None
        void = {config.ignore, *config.ignored_values, layout.void_id, *layout.ignored} | (
            {0} if config.reduce_zero else set()
        )
        if not found - void <= set(known.ids):
            return None
        return [ClassEntry(name, id_) for name, id_ in zip(known.names, known.ids)]


def _own_results(layout: Layout) -> tuple[str, ...]:
    """A remark about files of this tool that lie among the images, such as those of a run."""
    parts = [*layout.parts.values(), *([] if layout.test is None else [layout.test])]
    found = sorted({file for part in parts for file in part.own_results})
    if not found:
        return ()
    return (f"results of vit-adapter among the images, which are left out: {len(found)}, such as {found[0]}",)
