"""Buildings of an embedded scene: facades with regular windows along the street, their end walls, a skyline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .canvas import BUILDING, TREE, Canvas
from .colours import draw_colours
from .noise import noise_at
from .street import Street

ALONG_START, ALONG_END = -20, 150  # metres along the street that have buildings
_SKYLINE_DEPTH = 95.0
_LAMPLIGHT = (0.95, 0.82, 0.5)


@dataclass
class _Looks:
    """How buildings look; every field has one row for each building.

    Attributes:
        height: Metres.
        wall, glass: float32 [N, 3] reflectances.
        pitch, storey: Metres from window to window, sideways and upwards.
        window_width, window_height: Windows as shares of ``pitch`` and ``storey``.
        lit: Share of windows with a lamp on.
        relief: Strength of the horizontal courses of the wall.
        label: Class index; the skyline has trees too.
    """

    height: np.ndarray
    wall: np.ndarray
    glass: np.ndarray
    pitch: np.ndarray
    storey: np.ndarray
    window_width: np.ndarray
    window_height: np.ndarray
    lit: np.ndarray
    relief: np.ndarray
    label: np.ndarray


def _draw_looks(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, dusk: float) -> _Looks:
    """Draws as many buildings as ``low`` and ``high``, their least and greatest heights in metres, have rows."""
    count = len(low)
    draw = rng.random((count, 9)).astype(np.float32)
    wall = draw_colours(rng, "building", count)
    # Glass is darker than the wall, so that windows stand out in any light.
    glass = wall.mean(1, keepdims=True) * (0.28 + 0.22 * draw[:, :1]) * np.array([0.85, 1, 1.2], np.float32)
    storey = 3.0 + 0.8 * draw[:, 1]
    return _Looks(
        height=np.round((low + (high - low) * draw[:, 2]) / storey).clip(1) * storey + 0.6,
        wall=wall,
        glass=glass.astype(np.float32),
        pitch=2.1 + 1.2 * draw[:, 3],
        storey=storey,
        window_width=0.45 + 0.2 * draw[:, 4],
        window_height=0.46 + 0.18 * draw[:, 5],
        lit=(dusk * 0.7 * draw[:, 6]).astype(np.float32),
        relief=0.09 * draw[:, 7],
        label=np.full(count, BUILDING, np.uint8),
    )


class Buildings:
    """The buildings of one scene, drawn at once; `paint` puts them on a canvas."""

    def __init__(self, street: Street, rng: np.random.Generator):
        """Draws both sides of the street and the skyline behind it."""
        self._street = street
        self._starts: list[np.ndarray] = []  # [n] where a building begins along the street, per side
        self._index: list[np.ndarray] = []  # [L] facade per half metre, or -1 for a gap, per side
        for side in range(2):
            widths = 7 + 11 * rng.random(24)
            gaps = np.where(rng.random(24) < 0.15, 3 + 5 * rng.random(24), 0)
            starts = np.cumsum(widths + gaps) + ALONG_START - 10 - widths
            position = np.arange(ALONG_START, ALONG_END, 0.5)
            number = np.searchsorted(starts, position, side="right") - 1
            inside = (number >= 0) & (position < starts[number] + widths[number])
            self._starts.append(np.append(starts, 1e6).astype(np.float32))
            self._index.append(np.where(inside, number + 32 * side, -1).astype(np.int32))
        # Rows 0..31 are the left side, 32..63 the right side, 64..127 the skyline.
        draw = rng.random(5).tolist()
        low = 2.6 + 5 * draw[0] ** 2
        self._looks = _draw_looks(
            rng,
            np.repeat(np.array([low, 5], np.float32), 64),
            np.repeat(np.array([low + 7 + 9 * draw[1], 5 + 22 * draw[2]], np.float32), 64),
            street.light.dusk,
        )
        woods = 64 + np.flatnonzero(rng.random(64) < 0.3)
        self._looks.wall[woods] = draw_colours(rng, "tree", len(woods)) * 0.85
        self._looks.label[woods] = TREE
        self._looks.height[woods] = 5 + 6 * rng.random(len(woods))
        self._blocks = draw[3:]

    def shade_heights(self) -> np.ndarray:
        """[L] heights in metres of the buildings on the sunny side, per metre along the street from -20."""
        index = self._index[0 if self._street.light.shadow_across > 0 else 1][::2]
        return np.where(index >= 0, self._looks.height[index], 0).astype(np.float32)

    def paint(self, canvas: Canvas) -> None:
        """Paints facades, the end walls that show between and above them, and the skyline behind."""
        camera, walls, sun = self._street.camera, self._street.walls, self._street.light.sun
        rays, every = camera.slope_across, np.arange(camera.width)
        right = (rays > 0).astype(np.int32)
        to_wall = np.where(rays > 0, walls - camera.across, -walls - camera.across)
        depth = to_wall / np.where(np.abs(rays) < 1e-4, 1e-4, rays)  # of the building line, per column
        along = depth * camera.slope_along
        facade = self._facade_at(right, along, (depth > 0.5) & (depth < _SKYLINE_DEPTH) & (along < ALONG_END))
        # The sun falls on one side of the street.
        lit = np.where((right == 1) == (self._street.light.shadow_across > 0), 1 + 0.08 * sun, 1 - 0.35 * sun)

        # A ray that crosses the building line in a gap or above a roof may meet the end of the next building.
        ends_at = np.stack(
            [starts[np.searchsorted(starts, along, side="right").clip(0, 24)] for starts in self._starts]
        )
        ends_at = ends_at[right, every]
        end_depth = ends_at / np.maximum(camera.slope_along, 1e-3)
        end_across = np.abs(camera.across + end_depth * rays)
        seen = (camera.slope_along > 0.05) & (ends_at > 0) & (end_across < walls + 14)
        end = self._facade_at(right, ends_at + 0.5, seen & (end_depth > 0.5) & (end_depth < _SKYLINE_DEPTH))

        # The skyline: a row of far blocks that face the camera, whatever the street does.
        metres = (every - camera.width / 2) * (_SKYLINE_DEPTH / camera.focal)
        block = ((metres + 200 * self._blocks[0]) / (8 + 8 * self._blocks[1]) + 16).astype(np.int32) & 63

        def three(facades: ArrayLike, ends: ArrayLike, skyline: ArrayLike) -> np.ndarray:
            return np.concatenate(
                [np.broadcast_to(value, camera.width) for value in (facades, ends, skyline)]
            )

        walls_seen = _Walls(
            three(depth, end_depth, _SKYLINE_DEPTH).astype(np.float32),
            three(along, end_across, metres).astype(np.float32),
            three(facade, end, block + 64),
            three(lit, 0.88 - 0.1 * sun, 0.95).astype(np.float32),
        )
        _paint_walls(canvas, self._street, self._looks, walls_seen)

    def _facade_at(self, right: np.ndarray, along: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Row of the looks of the building at a place on the building line; -1 where there is none."""
        index = np.stack(self._index)
        position = np.clip((along - ALONG_START) * 2, 0, index.shape[1] - 1).astype(np.int32)
        return np.where(valid, index[right, position], -1)


@dataclass
class _Walls:
    """Vertical walls, one per column, three layers from near to far: every field is [3 W].

    Attributes:
        depth: Metres to the wall.
        sideways: Metres along the wall, which place the windows.
        building: Row of the looks, -1 for no wall.
        light: Factor on the colour.
    """

    depth: np.ndarray
    sideways: np.ndarray
    building: np.ndarray
    light: np.ndarray


def _paint_walls(canvas: Canvas, street: Street, looks: _Looks, walls: _Walls) -> None:
    """Paints the nearest wall of every pixel that has one; each pixel is worked out once."""
    camera = street.camera
    height, width = canvas.labels.shape
    exists = walls.building >= 0
    building = np.maximum(walls.building, 0)
    tall = np.where(exists, looks.height[building], -1)
    metre = np.where(exists, camera.focal / np.maximum(walls.depth, 0.5), 1).astype(np.float32)  # in pixels

    horizon = camera.horizon
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    free = np.ones((height, width), bool)
    pixels, keys = [], []
    for layer in range(3):
        columns = slice(layer * width, layer * width + width)
        bottom = horizon + camera.level * metre[columns]
        mask = free & (rows < bottom) & (rows > bottom - tall[columns] * metre[columns])
        free &= ~mask
        pixels.append(np.flatnonzero(mask).astype(np.int32))  # narrow integers divide faster
        keys.append(pixels[-1] % width + layer * width)
    pixel, key = np.concatenate(pixels), np.concatenate(keys)

    # Windows sideways are the same in a whole column of a wall.
    beside = walls.sideways / looks.pitch[building]
    number = np.floor(beside)
    blur = np.minimum(np.maximum(np.abs(np.gradient(beside)), 1e-3), 1.5)  # windows per pixel
    is_building = looks.label[building] == BUILDING
    glass = (looks.window_width[building] / 2 - np.abs(beside - number - 0.5)) / blur + 0.5
    glass = np.minimum(np.maximum(glass, 0), 1) * is_building
    grain = np.where(is_building, 0.025, 0.3)
    table = [horizon[np.arange(3 * width) % width], 1 / metre, tall, looks.storey[building], glass, number,
             looks.window_height[building] / 2, grain, is_building]  # fmt: skip
    table = np.stack(table).astype(np.float32).take(key, axis=1)
    horizon, pixel_size, tall, storey, glass, number, half, grain, is_building = table
    building = building.take(key)

    up = camera.level - ((pixel // width).astype(np.float32) + 0.5 - horizon) * pixel_size
    level = up / storey
    floor = np.floor(level)
    edge = (half - np.abs(level - floor - 0.5)) * (storey / pixel_size) + 0.5
    glass = glass * np.minimum(np.maximum(edge, 0), 1) * (up < tall - 0.5)

    chance = noise_at("white", floor * 29 + 7, number * 13 + 40 * building)  # one draw per window
    leaves = noise_at("leaf", up * 3.1, walls.sideways.take(key) * 3.1 + 50 * building)
    courses = np.abs(up * 0.85 - np.floor(up * 0.85) - 0.5) < 0.25
    shade = 1 + grain * leaves + looks.relief.take(building) * courses
    shade *= 1 - 0.3 * is_building * (up > tall - np.maximum(0.5, 1.1 * pixel_size))  # the cornice
    light = walls.light.take(key)
    shade *= light * (0.9 + 0.1 * np.minimum(up / 3, 1))

    lamp = (chance * 0.35 + 0.5 < looks.lit.take(building)) & (glass > 0)
    reflection = light * (1 + 0.16 * chance)
    for plane in range(3):
        colour = looks.wall[:, plane].take(building) * shade
        pane = looks.glass[:, plane].take(building) * reflection
        pane[lamp] = _LAMPLIGHT[plane]
        canvas.colour[plane].ravel()[pixel] = colour + glass * (pane - colour)
    canvas.labels.ravel()[pixel] = looks.label.take(building)
    canvas.depth.ravel()[pixel] = walls.depth.take(key)
