"""What a layout tells about a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .class_files import ClassEntry
from .pairs import Part


@dataclass(frozen=True)
class Layout:
    """A data set found on disk.

    Attributes:
        name: "folder", "ade20k" or "camvid".
        root: Its folder.
        parts: "train" and "val"; a part that is not there has no pairs and says so in its problems.
        entries: The layout's own class list; None: it has none.
        entries_from: Where that list is from, for messages.
        void_id: Mask value of ignored pixels that belongs to the layout.
        reduce_zero: Mask value 0 is ignored and k stands for class k - 1.
    """

    name: str
    root: Path
    parts: dict[str, Part]
    entries: Sequence[ClassEntry] | None = None
    entries_from: str = ""
    void_id: int | None = None
    reduce_zero: bool = False


SPLIT_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
