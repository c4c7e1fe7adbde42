"""What a layout says about a data set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vit_adapter.config import InputError, TaskName
from vit_adapter.images import Mask

from ..class_files import ClassEntry
from ..found_objects import ObjectReader
from .pairs import SplitPart


@dataclass(frozen=True)
class Layout:
    """A data set found on disk.

    Attributes:
        name: As ``DataConfig.layout`` calls it.
        root: Its folder.
        parts: "train" and "val"; a part that is not there has no pairs and says so in its problems.
        entries: The layout's own class list; None: it has none.
        entries_from: Where that list is from, for messages.
        void_id: Mask value of ignored pixels that belongs to the layout.
        ignored: Further mask values that it ignores.
        label_map: Mask value to class where several values are one class; None: the ids of the class list.
        reduce_zero: Mask value 0 is ignored and k stands for class k - 1.
        published: The masks are those of a published data set: their values are fixed, palettes mean nothing,
            and the colours of the class list are for drawing.
        remark: A remark about its parts, for the check.
        reader: Reads a mask file of at most so many pixels, where its values are not the stored ones; None: it is
            read as any mask.
        test: A third part, with masks, that neither training nor validation looks at; None: it has none.
        tasks: What its truth is enough for, the most telling task first.
        objects: Reads the objects that go with a mask; None: it has none.
        things: Mask values of the classes that are things; None: as the class list says.
        annotation_files: Files that tell of several images.
    """

    name: str
    root: Path
    parts: dict[str, SplitPart]
    entries: Sequence[ClassEntry] | None = None
    entries_from: str = ""
    void_id: int | None = None
    ignored: frozenset[int] = field(default_factory=frozenset)
    label_map: Mapping[int, int] | None = None
    reduce_zero: bool = False
    published: bool = False
    remark: str = ""
    reader: Callable[[Path, int], Mask] | None = None
    test: SplitPart | None = None
    tasks: tuple[TaskName, ...] = ("semantic",)
    objects: ObjectReader | None = None
    things: frozenset[int] | None = None
    annotation_files: tuple[Path, ...] = ()

    def require(self, task: TaskName) -> None:
        """Raises InputError where the truth is not enough for a task."""
        enough = self.objects is not None if task == "detection" else task in self.tasks
        if not enough:
            boxes = "; its objects are boxes without masks" if self.tasks == ("detection",) else ""
            raise InputError(
                f"{self.root}: is read as {self.name}, whose truth is enough for {', '.join(self.tasks)}, not for "
                f"--task {task}{boxes}"
            )


TEST_NAMES = ("test", "testing")
SPLIT_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
