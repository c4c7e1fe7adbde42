"""The embedded data set: street scenes made by a procedure, with semantic, instance and panoptic truth.

Nothing is read from disk. A scene follows from its split and index alone, so that everyone trains on the same
images; no scene of one split occurs in the other. Classes share their colours on purpose: grey is a road, a
pavement, a wall, a car or the sky, and only texture and shape tell which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vit_adapter.config import InputError

from .backdrop import paint_ground, paint_sky
from .buildings import Buildings
from .canvas import Canvas
from .exposure import expose
from .street import plan_street
from .things import paint_things
from .trees import paint_trees


class SceneClass(NamedTuple):
    """A class of the embedded scenes.

    Attributes:
        name: Its name.
        colour: RGB 0..255 for images of labels.
        is_thing: Whether its pixels fall into countable instances.
    """

    name: str
    colour: tuple[int, int, int]
    is_thing: bool


SCENE_CLASSES: tuple[SceneClass, ...] = (
    SceneClass("sky", (120, 180, 230), False),
    SceneClass("building", (150, 100, 85), False),
    SceneClass("road", (95, 85, 120), False),
    SceneClass("pavement", (225, 170, 205), False),
    SceneClass("tree", (90, 150, 60), False),
    SceneClass("car", (30, 60, 190), True),
    SceneClass("person", (220, 40, 60), True),
)

SceneSplit = Literal["train", "val"]
_SPLITS = {"train": 0, "val": 1}
_SMALLEST_SIDE = 32


class SceneSegment(NamedTuple):
    """A segment of the panoptic truth.

    Attributes:
        id: Its value in the map of segments, from 1.
        class_index: Index into `SCENE_CLASSES`.
        is_thing: Whether it is one instance; otherwise all pixels of a class.
        area: Visible pixels.
    """

    id: int
    class_index: int
    is_thing: bool
    area: int


@dataclass(frozen=True)
class Scene:
    """An image and its truth, which is exact: each pixel belongs to the surface painted on it.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        labels: uint8 [H, W] indices into `SCENE_CLASSES`; no pixel is without a class.
        instances: int32 [H, W] cars and people counted from 1 without gaps, farthest first; 0 elsewhere.
    """

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray

    def panoptic(self) -> tuple[np.ndarray, list[SceneSegment]]:
        """The panoptic truth.

        Returns:
            int32 [H, W] map of segment ids, and the segments in ascending order of id. Instances keep their
            number; the other classes that occur follow, one segment each.
        """
        things = int(self.instances.max())
        ids = np.where(self.instances > 0, self.instances, self.labels.astype(np.int32) + things + 1)
        present, first, areas = np.unique(ids, return_index=True, return_counts=True)
        classes = self.labels.ravel()[first]
        compact = np.searchsorted(present, ids).astype(np.int32) + 1
        segments = [
            SceneSegment(number, int(index), SCENE_CLASSES[index].is_thing, int(area))
            for number, (index, area) in enumerate(zip(classes, areas), start=1)
        ]
        return compact, segments

    def segments(self) -> list[SceneSegment]:
        """The segments of `panoptic` without their map."""
        return self.panoptic()[1]


def render_scene(index: int, size: tuple[int, int] = (128, 128), split: SceneSplit = "train") -> Scene:
    """Renders a scene, in a few milliseconds at 128 × 128.

    Args:
        index: Which one, from 0; there is no end.
        size: (height, width) in pixels, 32 or more each. A larger image of one shape shows the same street in
            more detail.
        split: "train" or "val".

    Returns:
        The scene; the same at every call.

    Raises:
        InputError: A negative index, a side below 32 or an unknown split.
    """
    if split not in _SPLITS:
        raise InputError(f'split "{split}": the embedded scenes have the splits "train" and "val"')
    if index < 0:
        raise InputError(f"scene index {index}: expected 0 or more")
    height, width = size
    if min(height, width) < _SMALLEST_SIDE:
        raise InputError(f"scene size {height} x {width}: expected sides of {_SMALLEST_SIDE} pixels or more")

    rng = np.random.default_rng((_SPLITS[split], index))
    street = plan_street(rng, (height, width))
    canvas = Canvas.empty(height, width)
    sky = paint_sky(canvas, street, rng)
    buildings = Buildings(street, rng)
    paint_ground(canvas, street, buildings.shade_heights(), rng)
    buildings.paint(canvas)
    paint_trees(canvas, street, rng)
    paint_things(canvas, street, rng)
    image = expose(canvas, street, sky, rng)
    return Scene(image, canvas.labels, _counted(canvas.instances))


def _counted(instances: np.ndarray) -> np.ndarray:
    """Instance numbers without the gaps that hidden things leave."""
    visible = np.bincount(instances.ravel()) > 0
    visible[0] = False
    return (np.cumsum(visible) * visible).astype(np.int32)[instances]


@dataclass(frozen=True)
class ObjectSizes:
    """Visible sizes of the instances of a class.

    Attributes:
        name: Class name.
        count: Instances seen.
        small_share: Share of them below the limit for small ones.
        quartiles: Visible pixels that a quarter, half and three quarters of them stay below.
    """

    name: str
    count: int
    small_share: float
    quartiles: tuple[float, float, float]


def object_size_statistics(
    count: int = 200, size: tuple[int, int] = (128, 128), split: SceneSplit = "val", small: int = 64
) -> dict[str, ObjectSizes]:
    """Sizes of cars and people over the first scenes of a split, to be stated beside a score.

    Args:
        count: How many scenes.
        size: (height, width) in pixels.
        split: "train" or "val".
        small: Instances with fewer visible pixels count as small.

    Returns:
        By class name, the classes that are things.
    """
    areas: dict[int, list[int]] = {index: [] for index, kind in enumerate(SCENE_CLASSES) if kind.is_thing}
    for segment in _segments(count, size, split):
        if segment.is_thing:
            areas[segment.class_index].append(segment.area)
    statistics = {}
    for index, values in areas.items():
        array = np.array(values or [0])
        low, middle, high = np.quantile(array, [0.25, 0.5, 0.75]).tolist()
        share = float(np.mean(array < small)) if values else 0.0
        name = SCENE_CLASSES[index].name
        statistics[name] = ObjectSizes(name, len(values), share, (low, middle, high))
    return statistics


def _segments(count: int, size: tuple[int, int], split: SceneSplit) -> Iterator[SceneSegment]:
    for index in range(count):
        yield from render_scene(index, size, split).segments()
