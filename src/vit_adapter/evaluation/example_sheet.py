"""A few images with truth and prediction on one sheet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vit_adapter.config.counting import evenly_spread
from vit_adapter.config.files import write_atomically
from vit_adapter.config.own_files import marked_png
from vit_adapter.data.sample import AnnotatedImages, Sample
from vit_adapter.images import UnreadableImageError
from vit_adapter.segmenter import Segmenter
from vit_adapter.visualization import (
    LegendEntry,
    class_legend,
    colorize,
    contact_sheet,
    default_palette,
    overlay,
)

from .loop import EvaluationResult, ImageScore
from .object_sheet import TITLES, object_caption, object_cells, object_legend

ROWS = 6

_MISTAKE = np.array([[230, 25, 60]], np.uint8)


def write_example_sheet(
    result: EvaluationResult,
    model: Segmenter,
    dataset: AnnotatedImages,
    path: Path,
    title: str,
    rows: int = ROWS,
) -> Path:
    """Writes image, truth, prediction and mistakes (in red) of evenly spread images; they are predicted again.

    Objects and segments are outlined, without mistakes.

    Args:
        result: What ``measure`` gave, with every image's own score.
        model: The model that was measured.
        dataset: The data set it was measured on.
        path: PNG to write.
        title: Written above.
        rows: Number of images.

    Raises:
        InputError: The file cannot be written.
    """
    if result.semantic is None:
        return _write_object_sheet(result, model, dataset, path, title, rows)
    names, ignored = result.class_names, result.matrix.ignore_index
    shown, captions, seen, void = [], [], set(), False
    palette = default_palette(len(names))
    for score, sample in _spread(result.images, dataset, rows):
        predicted = model.predict(
            sample.image,
            batch_size=result.config.batch_size,
            protocol=result.protocol,
            threshold=result.config.threshold,
            precision=result.config.precision,
            task="semantic",
        )
        palette = predicted.palette if predicted.palette is not None else palette
        valid = np.ones(sample.labels.shape, bool) if ignored is None else sample.labels != ignored
        wrong = valid & (sample.labels != predicted.labels)
        shown.append(
            [
                sample.image,
                colorize(sample.labels, palette),
                colorize(predicted.labels, palette),
                # label 0 is the one colour; 1 lies outside the palette and shows the bare image
                overlay(sample.image, np.where(wrong, 0, 1), _MISTAKE, alpha=0.7, legend=False),
            ]
        )
        own = "no labelled pixel" if score.score is None else f"{result.headline} {100 * score.score:.1f} %"
        captions.append(f"{score.name}: {own}")
        void = void or not valid.all()
        seen |= set(np.unique(sample.labels[valid]).tolist()) | set(np.unique(predicted.labels).tolist())
    coloured = names[: len(palette)]  # the rest beside a single class has no colour
    legend = class_legend(coloured, palette.tolist(), seen)
    if void:
        legend.append(LegendEntry("(ignored)", (0, 0, 0)))
    sheet = contact_sheet(
        shown, ["image", "truth", "prediction", "mistakes"], captions, title=title, legend=legend
    )
    return write_atomically(path, marked_png(sheet))


def _write_object_sheet(
    result: EvaluationResult,
    model: Segmenter,
    dataset: AnnotatedImages,
    path: Path,
    title: str,
    rows: int,
) -> Path:
    shown, captions, seen = [], [], set()
    for score, sample in _spread(result.images, dataset, rows):
        predicted = model.predict(
            sample.image,
            batch_size=result.config.batch_size,
            protocol=result.protocol,
            precision=result.config.precision,
        )
        cells, classes = object_cells(sample, predicted, model)
        shown.append(cells)
        seen |= classes
        captions.append(f"{score.name}: {object_caption(score, result, predicted)}")
    sheet = contact_sheet(shown, TITLES, captions, title=title, legend=object_legend(model, seen))
    return write_atomically(path, marked_png(sheet))


def _spread(
    images: list[ImageScore], dataset: AnnotatedImages, count: int
) -> Iterator[tuple[ImageScore, Sample]]:
    """So many images at even distances, with what is true of them."""
    for number in evenly_spread(len(images), count):
        score = images[number]
        try:
            sample = dataset.read(score.index)
        except UnreadableImageError:  # it was there before
            continue
        yield score, sample
