"""What cannot be converted: collected, then refused with the way to go on, or left out on request."""

from collections import Counter
from collections.abc import Collection

from vit_adapter.config import InputError

WITHOUT_AREA = ("point", "points", "line", "linestrip")  # shape types of labelme and X-AnyLabeling
KINDS = {
    "broken": "objects that cannot be drawn",
    **dict.fromkeys(WITHOUT_AREA, "shapes without an area"),
    "unlabeled": "shapes without a label",
    "cuboid": "boxes in space",
    "skeleton": "skeletons of key points",
    "unknown": "shapes of a type that is not known",
    "unlisted": "objects of a class or an image that is not listed",
    "missing": "annotations whose image is not there",
    "size": "images of another size than the annotation says",
    "unreadable": "images and annotation files that cannot be read",
    "double": "a second annotation of one image",
}
"""What ``skip`` may name; the name of any other shape type of labelme, such as "cuboid", is allowed too."""
TOLD_IN_ERROR = 10


class Problems:
    """Collects what cannot be converted.

    Attributes:
        left_out: One line for each thing that was left out because its kind is skipped.
        kinds: Number of these by kind.
    """

    def __init__(self, skip: Collection[str] | str, known: Collection[str] = ()) -> None:
        """Nothing found yet.

        Args:
            skip: Kinds that are left out; a text has commas between them.
            known: Kinds beyond ``KINDS``.

        Raises:
            InputError: A kind is not known.
        """
        if isinstance(skip, str):
            skip = [word.strip() for word in skip.split(",") if word.strip()]
        for kind in skip:
            if kind not in KINDS and kind not in known:
                raise InputError(f"--skip {kind}: expected some of {', '.join([*KINDS, *known])}")
        self.skip = frozenset(skip)
        self.left_out: list[str] = []
        self.kinds: Counter[str] = Counter()
        self._refused: list[tuple[str, str]] = []

    def add(self, kind: str, text: str) -> None:
        """Takes one line about something of that kind."""
        if kind in self.skip:
            self.left_out.append(text)
            self.kinds[kind] += 1
        else:
            self._refused.append((kind, text))

    @property
    def stop(self) -> bool:
        """Nothing will be kept; what follows is looked at only to name all that is wrong."""
        return bool(self._refused)

    def refuse(self, remedy: str | None = None) -> None:
        """Raises InputError with the first ten lines and the option that leaves all of it out; silent without any.

        Args:
            remedy: That option; None: that of the conversions.
        """
        if not self._refused:
            return
        lines = [text for _, text in self._refused]
        more = f"; and {len(lines) - TOLD_IN_ERROR} more" if len(lines) > TOLD_IN_ERROR else ""
        kinds = sorted({kind for kind, _ in self._refused} | self.skip)
        remedy = remedy or f"to convert the rest: --skip {','.join(kinds)}"
        raise InputError("; ".join(lines[:TOLD_IN_ERROR]) + f"{more}; {remedy}")
