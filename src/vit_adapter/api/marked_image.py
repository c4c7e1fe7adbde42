"""A result as named and coloured regions of an image: what a page shows beside a legend."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vit_adapter.annotations import Instances
from vit_adapter.images import nearest_indices
from vit_adapter.tasks import InstanceResult, PanopticResult, SemanticResult
from vit_adapter.tasks.object_files import run_lengths_of
from vit_adapter.visualization import default_palette
from vit_adapter.visualization.overlay import displayable

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction

LONGEST_SIDE = 1280
"""Of the image that is shown, in pixels: no more fits beside a legend, and every region is sent as such an image."""
MOST_REGIONS = 100

Region = np.ndarray | tuple[int, int, int, int]
"""bool [H, W], or left, top, right and bottom of a box in pixels, ends exclusive."""


@dataclass(frozen=True)
class MarkedImage:
    """An image and what was found in it.

    Attributes:
        image: uint8 [H, W, 3], at most ``LONGEST_SIDE`` on either side.
        regions: At most ``MOST_REGIONS``; of classes and segments the largest first, of objects the best.
        names: Of the regions, none twice: what a legend says.
        colours: Of the regions, as "#rrggbb".
        found: Number of all regions.
    """

    image: np.ndarray
    regions: list[Region]
    names: list[str]
    colours: list[str]
    found: int


@dataclass(frozen=True)
class _Found:
    label: int
    facts: list[str]
    region: Callable[[], Region]


def marked_image(result: "Prediction") -> MarkedImage:
    """The regions of a result of any task.

    Classes of pixels are named with their shares, objects with their scores and, where there are several of a class, a
    number. Where all regions are of one class, each has a colour of its own.
    """
    height, width = result.image.shape[:2]
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    if isinstance(result, SemanticResult):
        found = [*_of_classes(result, size)]
    elif isinstance(result, PanopticResult):
        found = [*_of_segments(result, size)]
    else:
        found = [*_of_objects(result, size)]
    counts = Counter(one.label for one in found)
    assert result.palette is not None
    own_colours = len(counts) == 1 and len(found) > 1
    colours = default_palette(len(found)) if own_colours else result.palette
    seen: Counter[int] = Counter()
    marked = MarkedImage(_shown(result.image, size), [], [], [], len(found))
    for place, one in enumerate(found[:MOST_REGIONS]):
        seen[one.label] += 1
        number = f" {seen[one.label]}" if counts[one.label] > 1 else ""
        marked.regions.append(one.region())
        marked.names.append(" · ".join([result.class_names[one.label] + number, *one.facts]))
        marked.colours.append("#" + bytes(colours[place if own_colours else one.label].tolist()).hex())
    return marked


def _of_classes(result: SemanticResult, size: tuple[int, int]) -> Iterable[_Found]:
    labels, counts = np.unique(result.labels, return_counts=True)
    small = _resized(result.labels, size)
    for place in np.argsort(-counts, kind="stable").tolist():
        label = int(labels[place])
        if label < len(result.class_names):
            yield _Found(
                label,
                [_percent(float(counts[place]) / result.labels.size)],
                lambda label=label: small == label,
            )


def _of_segments(result: PanopticResult, size: tuple[int, int]) -> Iterable[_Found]:
    segments = result.segments
    small, areas = _resized(segments.ids, size), segments.areas
    for place in np.argsort(-areas, kind="stable").tolist():
        label = int(segments.classes[place])
        scored = result.is_thing[label] and segments.scores is not None
        facts = [f"{segments.scores[place]:.2f}"] if scored and segments.scores is not None else []
        share = _percent(float(areas[place]) / segments.ids.size)
        yield _Found(label, [*facts, share], lambda number=place + 1: small == number)


def _of_objects(result: InstanceResult, size: tuple[int, int]) -> Iterable[_Found]:
    objects = result.instances
    masks = run_lengths_of(objects)
    for place, label in enumerate(objects.classes.tolist()):
        facts = [] if objects.scores is None else [f"{objects.scores[place]:.2f}"]
        if masks:
            runs = masks[place]
            yield _Found(label, facts, lambda runs=runs: _resized(runs.mask(), size))
        else:
            box = _box(objects, place, result.size, size)
            yield _Found(label, facts, lambda box=box: box)


def _box(
    objects: Instances, place: int, old: tuple[int, int], new: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box in whole pixels of the shown image, of one pixel at least."""
    left, top, right, bottom = objects.boxes[place].tolist()
    across, down = new[1] / old[1], new[0] / old[0]
    left, top = min(int(left * across), new[1] - 1), min(int(top * down), new[0] - 1)
    right, bottom = min(round(right * across), new[1]), min(round(bottom * down), new[0])
    return max(left, 0), max(top, 0), max(right, left + 1), max(bottom, top + 1)


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The nearest values [H, W] of another size."""
    rows, columns = (nearest_indices(old, new) for old, new in zip(values.shape, size, strict=True))
    return values[rows][:, columns]


def _shown(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shown = displayable(image)
    if shown.shape[:2] == size:
        return shown
    return np.asarray(Image.fromarray(shown).resize((size[1], size[0]), Image.Resampling.BOX))
