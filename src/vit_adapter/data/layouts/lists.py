"""Split lists: ``train.txt`` and ``val.txt`` with one image, or one image and its mask, a line."""

import os
import re
import unicodedata
from pathlib import Path

from ..class_files import read_text
from ..file_tree import FileFinder
from .pairs import WITHOUT_THEM, Pair, SplitPart, key_of

LIST_PLACES = ("", "ImageSets/Segmentation", "splits", "lists")


def find_list(root: Path, names: tuple[str, ...]) -> Path | None:
    """The list of a split: ``NAME.txt`` in the root or in one of the usual folders."""
    for place in LIST_PLACES:
        for name in names:
            path = root / place / f"{name}.txt"
            if path.is_file():
                return path
    return None


def read_list(
    path: Path, root: Path, everything: SplitPart | None, skip_unlabelled: bool = False
) -> SplitPart:
    """Pairs that a list names.

    A line is ``image mask`` (paths below the root, or whose last two parts are), or one name: an image's
    path, or its name with or without suffix. Blank lines are left out.

    Args:
        path: The list.
        root: Folder of the data set.
        everything: All pairs of the data set, for lines with one name.
        skip_unlabelled: Lines that name an image without a mask are no problem.

    Raises:
        InputError: When the list cannot be read.
    """
    part = SplitPart()
    by_name = _names(everything.pairs) if everything is not None else {}
    lonely = [] if everything is None else [Pair(image.stem, image, image) for image in everything.unlabelled]
    without_mask = _names(lonely)
    seen: dict[Path, int] = {}
    finder = FileFinder()
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        # Names of files are bytes; this gives the text that they are on this machine.
        line = os.fsdecode(line.strip().encode())
        if not line:
            continue
        pair = _single(line, by_name) or _double(line, root, finder)
        if pair is None and (image := _single(line, without_mask)) is not None:
            part.unlabelled.append(image.image)
            if not skip_unlabelled:
                part.problems.append(f"{path}: line {number}: {image.image} has no mask; {WITHOUT_THEM}")
        elif pair is None:
            part.problems.append(f"{path}: line {number} names no image with a mask: {line!r}")
        elif pair.image in seen:
            part.problems.append(
                f"{path}: line {number} names {line!r} again, as line {seen[pair.image]} does"
            )
        else:
            seen[pair.image] = number
            part.pairs.append(pair)
    if len({pair.name for pair in part.pairs}) < len(part.pairs):  # one name in two folders
        part.pairs = [Pair(key_of(pair.image, root), pair.image, pair.mask) for pair in part.pairs]
    if not part.pairs and not part.problems:
        part.problems.append(f"{path}: names no image")
    return part


def _names(pairs: list[Pair]) -> dict[str, Pair | None]:
    """Every way to name a pair; None where two pairs have the same last part."""
    found: dict[str, Pair | None] = {}
    for pair in pairs:
        last = pair.image.name
        for name in {last, last.rpartition(".")[0]}:
            found[name] = None if name in found else pair
    for pair in pairs:  # the whole path wins over a last part
        found[pair.name] = pair
        found[pair.name + pair.image.suffix] = pair
    return found


def _single(line: str, by_name: dict[str, Pair | None]) -> Pair | None:
    parts = unicodedata.normalize("NFC", line.replace("\\", "/")).split("/")
    for start in range(len(parts)):
        pair = by_name.get("/".join(parts[start:]))
        if pair is not None:
            return pair
    return None


def _double(line: str, root: Path, finder: FileFinder) -> Pair | None:
    # Names may contain spaces: every space, tab or comma could be the one between image and mask.
    for gap in re.finditer(r"[ \t,;]+", line):
        image, mask = (_resolve(text, root, finder) for text in (line[: gap.start()], line[gap.end() :]))
        if image is not None and mask is not None:
            return Pair(image.stem, image, mask)
    return None


def _resolve(text: str, root: Path, finder: FileFinder) -> Path | None:
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        return None
    # Some lists hold absolute paths of another machine: their last two parts are tried too.
    for names in (parts, parts[-2:]):
        found = finder.find(root, Path(*names))
        if found is not None:
            return found
    return None
