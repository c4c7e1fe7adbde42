"""Names of results: taken from the images, and never the same twice."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from .prediction_inputs import InputImage, absolute_path


def result_names(images: Sequence[InputImage]) -> list[str]:
    """A name of its own for the results of every image: its place without suffix, the folders kept.

    Where names repeat, what tells them apart is added: files ``a/x.jpg`` and ``b/x.jpg`` give ``a_x`` and ``b_x``,
    ``sub/x.jpg`` of the folders ``a`` and ``b`` gives ``sub/a_x`` and ``sub/b_x``; ``x.jpg`` and ``x.png`` of one
    folder give ``x_jpg`` and ``x_png``. Names that differ in capital letters only repeat too: some file systems take
    them for one.

    Args:
        images: The images, none twice.

    Returns:
        For each image the beginning of the paths of its results, below the folder of all results, with "/".
    """
    names = [image.place.with_suffix("") for image in images]
    same: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        same[_folded(name)].append(index)
    for indices in same.values():
        if len(indices) > 1:
            for index, name in zip(indices, _apart([images[index] for index in indices]), strict=True):
                names[index] = name
    taken: set[str] = set()
    for index, name in enumerate(names):
        while _folded(name) in taken:
            name = name.with_name(f"{name.name}_")
        taken.add(_folded(name))
        names[index] = name
    return [str(name) for name in names]


def _apart(images: Sequence[InputImage]) -> list[PurePosixPath]:
    """Names of images that all have the same place but for the suffix."""
    folders = [Path(absolute_path(image.path)).parent for image in images]
    # What lies above the place tells them apart, the place itself is the same.
    roots = [
        folder.parents[len(image.place.parts) - 2] if len(image.place.parts) > 1 else folder
        for folder, image in zip(folders, images)
    ]
    common = os.path.commonpath(roots)
    names = []
    for image, folder, root in zip(images, folders, roots, strict=True):
        stem = image.place.stem
        if folders.count(folder) > 1:
            stem = f"{stem}_{image.place.suffix.lstrip('.')}"
        above = "_".join(root.relative_to(common).parts)
        names.append(image.place.with_name(f"{above}_{stem}" if above else stem))
    return names


def _folded(name: PurePosixPath) -> str:
    """Equal for names that a file system may take for one: other case, or letters composed in another way."""
    return unicodedata.normalize("NFC", str(name)).casefold()
