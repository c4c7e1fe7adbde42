"""The images a model did worst on, drawn so that the reason shows."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.config.files import write_atomically
from vit_adapter.config.own_files import marked_png
from vit_adapter.data.sample import AnnotatedImages, Sample
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks import Result, SemanticResult
from vit_adapter.visualization import LegendEntry, contact_sheet, default_palette, overlay

from .loop import EvaluationResult, ImageScore
from .object_sheet import TITLES, object_caption, object_cells, object_legend

_CELL = (480, 360)
_MISTAKE = np.array([[230, 25, 60]], np.uint8)
_OURS = re.compile(r"\d\d+_.*\.png")


def write_worst_images(
    result: EvaluationResult,
    model: Segmenter,
    dataset: AnnotatedImages,
    folder: Path,
    batch_size: int | None = None,
) -> list[Path]:
    """Writes one sheet for each: image, truth, prediction and, in red, the wrong pixels.

    The images are predicted again: none was kept. Sheets of an earlier evaluation in the folder are removed.

    Args:
        result: What ``measure`` gave.
        model: The model that was measured.
        dataset: The data set it was measured on.
        folder: Made if it is missing.
        batch_size: Windows processed together; None: as in the evaluation.

    Returns:
        The files, worst first.

    Raises:
        InputError: A file cannot be written.
    """
    if folder.is_dir():
        for old in folder.iterdir():
            if _OURS.fullmatch(old.name):
                old.unlink()
    config = result.config
    files = []
    for rank, image in enumerate(result.worst, start=1):
        sample = dataset.read(image.index)
        predicted = model.predict(
            sample.image,
            batch_size=batch_size or config.batch_size,
            protocol=result.protocol,
            threshold=config.threshold,
            precision=config.precision,
        )
        sheet = _sheet(image, sample, predicted, result, model)
        files.append(write_atomically(folder / f"{rank:02}_{_file_stem(image.name)}.png", marked_png(sheet)))
    return files


def _sheet(
    image: ImageScore, sample: Sample, predicted: Result, result: EvaluationResult, model: Segmenter
) -> Image.Image:
    if not isinstance(predicted, SemanticResult):
        return _object_sheet(image, sample, predicted, result, model)
    names, ignored = result.class_names, result.matrix.ignore_index
    palette = predicted.palette if predicted.palette is not None else default_palette(len(names))
    valid = np.ones(sample.labels.shape, bool) if ignored is None else sample.labels != ignored
    wrong = valid & (sample.labels != predicted.labels)
    cells: list[np.ndarray | None] = [sample.image]
    cells += [
        overlay(sample.image, labels, palette, alpha=0.6, legend=False)
        for labels in (sample.labels, predicted.labels)
    ]
    # label 0 is the one colour; 1 lies outside the palette and shows the bare image
    cells.append(overlay(sample.image, np.where(wrong, 0, 1), _MISTAKE, alpha=0.6, legend=False))

    seen = np.union1d(sample.labels[valid], predicted.labels[valid])
    legend = [
        LegendEntry(names[label], tuple(palette[label].tolist())) for label in seen if label < len(names)
    ]
    share = wrong.sum() / max(1, valid.sum())
    assert image.score is not None  # others are not among the worst
    caption = f"{result.headline} {100 * image.score:.1f} %, {100 * share:.1f} % of the pixels wrong"
    titles = ["image", "truth", "prediction", "mistakes"]
    return contact_sheet([cells], titles, [caption], _CELL, title=image.name, legend=legend)


def _object_sheet(
    image: ImageScore, sample: Sample, predicted: Result, result: EvaluationResult, model: Segmenter
) -> Image.Image:
    """Image, truth and prediction with outlines."""
    cells, seen = object_cells(sample, predicted, model)
    caption = object_caption(image, result, predicted)
    legend = object_legend(model, seen)
    return contact_sheet([cells], TITLES, [caption], _CELL, title=image.name, legend=legend)


def _file_stem(name: str) -> str:
    """A name that may have folders in it as one that every file system takes."""
    stem = str(Path(name).with_suffix("")) if Path(name).suffix else name
    return re.sub(r"[^\w.-]+", "_", stem).strip("._")[-80:] or "image"
