"""Whether a data set has changed: names, sizes, and the content of some files."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .scan import evenly

LOOKED_INTO = 64
"""Images, and as many masks, whose content is looked at, spread evenly."""

PIECE = 64 * 1024
"""Bytes that are read at the beginning, in the middle and at the end of such a file."""

KINDS = ("images", "masks")


def data_digest(dataset: Any) -> dict[str, Any] | None:
    """What a checkpoint keeps of a data set, to notice that another one is there in its place.

    Names and sizes of all files count, and the content of 64 images and 64 masks, of which three pieces are read. A
    change that leaves all names and sizes as they were and lies in none of these is not seen. Of files that tell of
    several images, such as COCO's JSON, size and three pieces count. The folder's location and the files' timestamps
    are ignored.

    Args:
        dataset: A ``FileDataset``.

    Returns:
        "count" and hexadecimal digests; None for a data set without files.
    """
    pairs = getattr(dataset, "pairs", None)
    if pairs is None:
        return None
    digest: dict[str, Any] = {"count": len(pairs)}
    for kind in KINDS:
        files = [Path(pair.image if kind == "images" else pair.mask) for pair in pairs]
        sizes = (
            f"{pair.name}\0{file.suffix}\0{_size(file)}" for pair, file in zip(pairs, files, strict=True)
        )
        digest[kind] = hashlib.sha256("\n".join(sizes).encode("utf-8", "surrogateescape")).hexdigest()
        digest[f"content of {kind}"] = _content(evenly(files, LOOKED_INTO))
    told = [Path(file) for file in getattr(dataset, "annotation_files", ())]
    if told:
        digest["annotations"] = hashlib.sha256(
            "\n".join(str(_size(file)) for file in told).encode()
        ).hexdigest()
        digest["content of annotations"] = _content(told)
    return digest


def data_changes(before: dict[str, Any] | None, now: dict[str, Any] | None, part: str) -> list[str]:
    """What to report about a part of the data, a line for each kind of file.

    Args:
        before: Of a checkpoint; None: not known, and nothing is said.
        now: Of the data that are there.
        part: "training" or "validation".
    """
    if before is None or now is None:
        return []
    lines = []
    for kind in (*KINDS, *(["annotations"] if "annotations" in before and "annotations" in now else [])):
        if before[kind] != now[kind]:
            lines.append(f"{part} {kind}: other files than before (names or sizes differ)")
        elif before[f"content of {kind}"] != now[f"content of {kind}"]:
            looked = min(LOOKED_INTO, now["count"])
            lines.append(
                f"{part} {kind}: other content under the same names and sizes ({looked} of {now['count']} looked into)"
            )
    return lines


def _size(file: Path) -> int:
    try:
        return os.stat(file).st_size
    except OSError:
        return -1


def _content(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        try:
            with open(path, "rb") as file:
                end = file.seek(0, os.SEEK_END)
                for place in sorted({0, max(0, end // 2 - PIECE // 2), max(0, end - PIECE)}):
                    file.seek(place)
                    digest.update(file.read(PIECE))
        except OSError:
            digest.update(b"not there")
    return digest.hexdigest()
