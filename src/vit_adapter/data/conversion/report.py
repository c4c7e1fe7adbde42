"""What a conversion wrote, and remarks about it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vit_adapter.config.counting import counted

from .painting import Overlaps
from .problems import Problems

BACKGROUND_NAMES = ("background", "_background_", "__background__", "bg")
TOLD = 5  # names of each kind
TOLD_LEFT_OUT = 20
TOLD_OVERLAPS = 3


@dataclass
class Conversion:
    """What a conversion wrote.

    Attributes:
        out: The folder.
        classes: Class names; a class's place is its mask value.
        on_top: The rule of overlaps, such as "the later shape".
        void: Mask value of ignored pixels.
        images: Images written.
        objects: Objects drawn, those without a pixel left out.
        parts: Images by part; "": they are in no part.
        has_objects: Objects were written as well as masks.
        boxes: Objects that are boxes.
        crowds: Number of crowd regions by class (COCO).
        objects_of: Number of objects by class, crowd regions and objects without a pixel included.
        overlaps: What lies over what; objects without a pixel, and hidden ones.
        bare: Names of images without an object.
        not_annotated: Images in the folder of annotated ones that have no annotation.
        left_out: One line for each object or image that was left out.
        left_out_kinds: Number of these by the kind that was skipped.
        remarks: One line each about how the annotations were understood.
    """

    out: Path
    classes: list[str] = field(default_factory=list)
    on_top: str = ""
    void: int = 255
    images: int = 0
    objects: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    has_objects: bool = False
    boxes: int = 0
    crowds: Counter[str] = field(default_factory=Counter)
    objects_of: Counter[str] = field(default_factory=Counter)
    overlaps: Overlaps = field(default_factory=Overlaps)
    bare: list[str] = field(default_factory=list)
    not_annotated: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    left_out_kinds: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def overlap_share(self) -> float:
        """Share of the objects' pixels on which objects of different classes lie, 0..1."""
        return self.overlaps.contested / max(self.overlaps.object_pixels, 1)

    def finish(self, problems: Problems) -> None:
        """Takes over what was left out and counts the objects that were drawn."""
        self.objects = sum(self.objects_of.values()) - len(self.overlaps.empty)
        self.left_out, self.left_out_kinds = problems.left_out, dict(sorted(problems.kinds.items()))

    def __str__(self) -> str:
        lines = [
            f"{self.out}: {counted(self.images, 'image')}, {counted(self.objects, 'object')}, "
            f"{len(self.classes)} classes ({self._written()})",
            *self.remarks,
            *self._object_lines(),
            *self._overlap_lines(),
            *self._crowd_lines(),
        ]
        lines += _named(self.overlaps.empty, "objects without a pixel", "not in the masks")
        lines += _named(self.overlaps.hidden, "objects wholly under others", "not seen in the masks")
        lines += _named(self.bare, "images without an object", "every pixel has one and the same value")
        lines += _named(self.not_annotated, "images without an annotation", "not converted")
        unseen = [
            name
            for value, name in enumerate(self.classes)
            if not self.overlaps.seen[value] and (value or name.lower() not in BACKGROUND_NAMES)
        ]
        lines += _named(unseen, "classes without a pixel", "a model cannot learn them")
        if self.left_out:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.left_out_kinds.items())
            lines.append(f"left out as asked for with --skip: {kinds}")
            lines += [f"left out: {text}" for text in self.left_out[:TOLD_LEFT_OUT]]
        if len(self.left_out) > TOLD_LEFT_OUT:
            lines.append(f"and {len(self.left_out) - TOLD_LEFT_OUT} more left out")
        return "\n".join(lines)

    def _written(self) -> str:
        if self.parts.keys() - {""}:
            return ", ".join(f"{part} {count}" for part, count in self.parts.items())
        return f"images, masks, {'instances, ' if self.has_objects else ''}classes.txt"

    def _object_lines(self) -> list[str]:
        if not self.has_objects:
            return []
        if self.boxes and self.boxes == sum(self.objects_of.values()):
            every = f"all {self.boxes} objects are boxes" if self.boxes > 1 else "the only object is a box"
            return [
                f"{every}, so masks show whole boxes; they are meant for "
                "--task detection --data.layout coco_instances"
            ]
        return [
            "objects: instances shows what is seen of each, coco.json has the whole of each "
            "(--data.layout coco_instances)"
        ]

    def _overlap_lines(self) -> list[str]:
        if not self.overlaps.object_pixels:
            return []
        if not self.overlaps.contested:
            return ["overlaps: no objects of different classes"]
        most = [
            f"{self._name(top)} over {self._name(below)}, {count} pixels"
            for (top, below), count in self.overlaps.over.most_common(TOLD_OVERLAPS)
        ]
        return [
            f"overlaps: objects of different classes share {self.overlap_share:.2%} of the objects' pixels; "
            f"{self.on_top} is on top ({'; '.join(most)})"
        ]

    def _crowd_lines(self) -> list[str]:
        if not self.crowds:
            return []
        count, objects = sum(self.crowds.values()), sum(self.objects_of.values())
        text = (
            f"crowd regions: {count} of {objects} objects (iscrowd 1); drawn like the others, below them all"
        )
        whole = [name for name, number in self.crowds.items() if number == self.objects_of[name]]
        if whole:
            text += f"; nothing but crowd regions: {_some(whole)}"
        return [text]

    def _name(self, value: int) -> str:
        return "ignored" if value == self.void else self.classes[value]


def _named(items: Sequence[str], what: str, meaning: str) -> list[str]:
    return [f"{what}: {len(items)}, {meaning}: {_some(items)}"] if items else []


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - TOLD} more" if len(items) > TOLD else ""
    return ", ".join(items[:TOLD]) + more
