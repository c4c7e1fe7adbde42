"""Truth and prediction of objects and segments as cells of a sheet."""

import numpy as np

from vit_adapter.data.sample import Sample
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks import Result
from vit_adapter.visualization import LegendEntry, class_legend, default_palette

from .loop import EvaluationResult, ImageScore

TITLES = ["image", "truth", "prediction"]


def object_cells(sample: Sample, predicted: Result, model: Segmenter) -> tuple[list[np.ndarray], set[int]]:
    """Image, truth and prediction with outlines, and the labels of the classes that these show."""
    truth = model.task.drawn(sample.image, sample.annotation, model.classes)
    results = (truth, predicted)
    shown = [sample.image, *(np.asarray(one.on_sheet()) for one in results)]
    return shown, set().union(*(one.annotation.classes() for one in results))


def object_caption(score: ImageScore, result: EvaluationResult, predicted: Result) -> str:
    """The image's own score and counts; objects are counted whatever their score, so those that are drawn are, too."""
    own = "nothing counts" if score.score is None else f"{result.headline} {100 * score.score:.1f} %"
    figures = [f"{name} {value:g}" for name, value in score.figures.items()]
    drawn = predicted.annotation.instances
    if drawn is not None:
        figures.append(f"drawn {len(drawn)}")
    return f"{own}; {', '.join(figures)}"


def object_legend(model: Segmenter, seen: set[int]) -> list[LegendEntry]:
    """The classes of sheets of ``object_cells``."""
    names, colours = model.class_names, model.classes.colours
    chosen = default_palette(len(names)).tolist() if colours is None else colours
    return class_legend(names, chosen, seen, coloured_objects=True)
