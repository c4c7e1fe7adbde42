"""From the settings to a data set that can be opened: where its files are and how its masks are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vit_adapter.config import DataConfig, InputError

from .ade20k import find_ade20k, is_ade20k
from .camvid import find_camvid, is_camvid
from .class_files import ClassEntry
from .folder import find_folder
from .labels import LabelMapping
from .layout import Layout
from .mapping import build_mapping, class_entries, pack_colour
from .scan import MaskReading


def channel_count(config: DataConfig) -> int:
    """Channels of the pictures: as many as mean values are given, 3 without."""
    return 3 if config.mean is None else len(config.mean)


def find_layout(config: DataConfig) -> Layout:
    """The data set that ``config.root`` holds.

    Raises:
        InputError: For a folder that is not there or holds no data set of the layout.
    """
    if not config.root:
        raise InputError("--data.root: names no folder; give the folder of the data set")
    root = Path(config.root)
    if not root.is_dir():
        reason = "is a file, expected a folder" if root.exists() else "there is no such folder"
        raise InputError(f"{root}: {reason} (--data.root)")
    if config.layout not in ("auto", "folder", "ade20k", "camvid"):
        raise InputError(
            f"--data.layout {config.layout}: the official folders of this data set have no reader yet; put pictures "
            "and prepared masks into images/ and masks/ and take --data.layout folder"
        )
    if config.layout == "ade20k" or (config.layout == "auto" and is_ade20k(root)):
        return find_ade20k(root)
    if config.layout == "camvid" or (config.layout == "auto" and is_camvid(root)):
        return find_camvid(root)
    return find_folder(root, config, channel_count(config))


@dataclass(frozen=True)
class Source:
    """A data set on disk before its masks are looked at.

    Attributes:
        config: The settings.
        layout: Its parts, with what is wrong about the files.
        entries: The class list; None: the classes are the values in the masks.
        where: Where the class list comes from, for messages.
    """

    config: DataConfig
    layout: Layout
    entries: Sequence[ClassEntry] | None
    where: str

    @classmethod
    def find(cls, config: DataConfig) -> "Source":
        """Finds the files and the class list; ``config.classes`` comes before the layout's own."""
        layout = find_layout(config)
        if config.classes is None and layout.entries is not None:
            return cls(config, layout, layout.entries, layout.entries_from)
        entries, where = class_entries(config, layout.root)
        return cls(config, layout, entries, where)

    @property
    def needs_values(self) -> bool:
        """The class list is made of the values in all masks."""
        return self.entries is None and self.config.label_map is None and not self.config.binary

    @cached_property
    def reading(self) -> MaskReading:
        """How masks are read while the classes are not yet known."""
        colours = None
        if any(entry.colour is not None for entry in self.entries or ()):
            colours = {pack_colour(entry.colour) for entry in self.entries or () if entry.colour is not None}
        void = {self.config.ignore, *self.config.ignored_values}
        return MaskReading(self.config.no_data, colours, void)

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
        return build_mapping(
            self.config,
            self.entries,
            found,
            where=self.where,
            void_id=layout.void_id,
            reduce_zero=layout.reduce_zero or self.config.reduce_zero,
        )
