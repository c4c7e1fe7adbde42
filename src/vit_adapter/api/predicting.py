"""Segmenting files."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.images import MAX_PIXELS, list_images, read_image
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.parts import channels_of
from vit_adapter.zoo import find_recipe

from .mirroring import application_notes, print_notes
from .models import load
from .progress import progress_bar
from .protocols import applied_protocol


def predict(
    model: str | Path | Segmenter,
    pictures: Sequence[str | Path],
    out: str | Path = "predictions",
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 4,
    ids: str = "own",
    alpha: float = 0.5,
    scores: bool = False,
    multi_scale: bool = False,
    threshold: float | None = None,
    max_pixels: int = MAX_PIXELS,
    quiet: bool = False,
) -> list[tuple[str, str]]:
    """Segments files and writes a label map and an overlay for each.

    Args:
        model: A model, or what ``load`` takes.
        pictures: Files, folders and patterns.
        out: Folder for the results.
        checkpoint: For a recipe: its weights.
        device: Where it runs.
        batch_size: Windows handled together.
        ids: Values in the label maps: the "own" masks' values or "contiguous" 0..K-1.
        alpha: Strength of the colours in the overlay, 0..1.
        scores: Write probabilities as NPY too.
        multi_scale: Average over scales and mirror images, for a recipe as published.
        threshold: For two classes: smallest probability of the second one.
        max_pixels: Pictures of more pixels, width x height, are refused.
        quiet: No progress bar.

    Returns:
        (file, reason) of the pictures that could not be read; the others were written.

    Raises:
        InputError: There is no picture, the model cannot be used, or nothing can be written.
    """
    recipe = None if isinstance(model, Segmenter) else find_recipe(str(model))
    if not isinstance(model, Segmenter):
        model = load(model, checkpoint, device=device)
    protocol = applied_protocol(model, multi_scale=multi_scale, recipe=recipe)
    print_notes(application_notes(model, protocol, multi_scale))
    channels = channels_of(model, protocol)
    files = [file for place in pictures for file in list_images(place, channels)]
    if not files:
        raise InputError(f"no picture at {', '.join(map(str, pictures))}")
    failures = []
    names = result_names(files)
    with progress_bar("predicting", len(names), quiet) as advance:
        for file, stem in names.items():
            try:
                picture = read_image(file, channels, max_pixels=max_pixels)
            except InputError as error:
                failures.append((str(file), str(error)))
            else:
                result = model.predict(picture, batch_size=batch_size, protocol=protocol, threshold=threshold)
                result.save(out, stem, ids, scores, alpha)  # pyright: ignore
            advance()
    written = len(names) - len(failures)
    if written and not quiet:
        kinds = "label maps, overlays and scores" if scores else "label maps and overlays"
        print(f"{written} {'picture' if written == 1 else 'pictures'}: {kinds} in {out}")
    return failures


def result_names(files: Sequence[Path]) -> dict[Path, str]:
    """A name of its own for the results of every file: its stem, and where stems repeat, what tells them apart.

    ``a/x.jpg`` and ``b/x.jpg`` give ``a_x`` and ``b_x``; ``x.jpg`` and ``x.png`` of one folder ``x_jpg`` and
    ``x_png``. Names that differ in capital letters only repeat too: some file systems take them for one.
    """
    unique = list(dict.fromkeys(file.resolve() for file in files))
    names = {file: file.stem for file in unique}
    stems = {file: _folded(file.stem) for file in unique}
    for stem in {stem for stem, count in Counter(stems.values()).items() if count > 1}:
        same = [file for file in unique if stems[file] == stem]
        common = Path(os.path.commonpath([file.parent for file in same]))
        for file in same:
            folder = "_".join(file.parent.relative_to(common).parts)
            alone = sum(other.parent == file.parent for other in same) == 1
            own = file.stem if alone else f"{file.stem}_{file.suffix.lstrip('.')}"
            names[file] = f"{folder}_{own}" if folder else own
    taken: set[str] = set()
    for file in names:
        while _folded(names[file]) in taken:
            names[file] += "_"
        taken.add(_folded(names[file]))
    return names


def _folded(name: str) -> str:
    """Equal for names that a file system may take for one: other case, or letters composed in another way."""
    return unicodedata.normalize("NFC", name).casefold()
