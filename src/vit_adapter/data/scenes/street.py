"""The plan of an embedded scene: a camera over a street, and what stands where, in metres, before any pixel.

The street is straight. *Across* counts metres from the middle of the road to the right, *along* counts metres from
the camera in the direction of the street, *up* counts metres above the ground. A plan does not depend on the
image's size, apart from what a wider image shows in addition.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Camera:
    """A pinhole camera; verticals stay vertical and roll tilts the ground (a shear), so columns stay columns.

    Attributes:
        height, width: Size of the image in pixels.
        focal: Focal length in pixels.
        level: Height above the ground in metres.
        across: Position on the across axis in metres.
        slope_across, slope_along: [W] metres across and along per metre of depth, for each column.
        horizon: [W] row of the horizon in each column, in pixels.
        facing: (across, along) of a metre to the right as the camera sees it.
    """

    def __init__(
        self, size: tuple[int, int], focal: float, horizon: float, roll: float, yaw: float, level: float
    ):
        """Takes focal length and horizon as shares of the height, roll as a slope and yaw in radians."""
        self.height, self.width = size
        self.focal = focal * self.height
        self.level = level
        self.across = 0.0
        self._sin, self._cos = float(np.sin(yaw)), float(np.cos(yaw))
        self.facing = (self._cos, self._sin)
        self._middle, self._roll, self._row = self.width / 2, roll, horizon * self.height
        columns = np.arange(self.width, dtype=np.float32) + 0.5 - self._middle
        rays = columns * np.float32(1 / self.focal)
        self.slope_across = rays * self._cos - self._sin
        self.slope_along = rays * self._sin + self._cos
        self.horizon = (self._row + roll * columns).astype(np.float32)

    def depth(self, across: float, along: float) -> float:
        """Distance in metres from the image plane; negative behind the camera."""
        return along * self._cos - (across - self.across) * self._sin

    def project(self, across: float, along: float, up: float) -> tuple[float, float]:
        """(x, y) in pixels of a point before the camera; pixel centres lie at half-integers."""
        depth = max(along * self._cos - (across - self.across) * self._sin, 0.05)
        offset = self.focal * ((across - self.across) * self._cos + along * self._sin) / depth
        return self._middle + offset, self._row + self._roll * offset + self.focal * (self.level - up) / depth

    def project_all(self, points: np.ndarray) -> np.ndarray:
        """[N, 2] float32 (x, y) in pixels of [N, 3] points (across, along, up), as `project`."""
        aside, along, up = points[:, 0] - self.across, points[:, 1], points[:, 2]
        inverse = self.focal / np.maximum(along * self._cos - aside * self._sin, 0.05)
        offset = (aside * self._cos + along * self._sin) * inverse
        y = self._row + self._roll * offset + (self.level - up) * inverse
        return np.stack([self._middle + offset, y], axis=1)

    def place(self, column: float, depth: float) -> tuple[float, float]:
        """(across, along) of the point at a depth in metres behind a column given as a share of the width."""
        ray = (column - 0.5) * self.width / self.focal
        return self.across + depth * (ray * self._cos - self._sin), depth * (ray * self._sin + self._cos)


class Standing(NamedTuple):
    """Something that stands on the ground.

    Attributes:
        kind: "tree", "car" or "person".
        across, along: Where its middle stands, in metres.
        depth: Distance from the image plane in metres.
        size: Factor on its usual size.
    """

    kind: str
    across: float
    along: float
    depth: float
    size: float


@dataclass(frozen=True)
class Light:
    """Light of a scene.

    Attributes:
        sun: 0 (overcast) to 1 (clear): strength of cast shadows and of lit and unlit walls.
        shadow_across, shadow_along: Metres by which the shadow of a point falls aside, per metre of its height.
        dusk: 0 (day) to 1 (lamps are on).
    """

    sun: float
    shadow_across: float
    shadow_along: float
    dusk: float


@dataclass(frozen=True)
class Street:
    """Everything about a scene but its textures.

    Attributes:
        camera: The camera.
        light: The light.
        kerb: Half the width of the road in metres.
        walls: Distance of the building line from the middle of the road in metres.
        standing: Trees, cars and people, farthest first.
    """

    camera: Camera
    light: Light
    kerb: float
    walls: float
    standing: list[Standing]


def plan_street(rng: np.random.Generator, size: tuple[int, int]) -> Street:
    """Draws a street, a view of it and what stands on it."""
    draw = rng.random(14).tolist()
    yaw = float(np.clip(rng.standard_normal() * 0.42, -0.85, 0.85))
    camera = Camera(
        size,
        focal=1.0 + 0.5 * draw[0],
        horizon=0.30 + 0.32 * draw[1],
        roll=0.2 * (draw[2] - 0.5),
        yaw=yaw,
        level=2.0 + 2.0 * draw[3],
    )
    kerb = 3.2 + 2.3 * draw[4]
    walls = kerb + 4.0 + 3.0 * draw[5]
    # A camera that looks sideways stands back from the wall that it looks at.
    room = walls - 2.5
    camera.across = float(room * np.clip((2 * draw[6] - 1) * 0.9 + 1.2 * np.sin(yaw), -1, 1))
    light = Light(
        sun=float(max(0.0, draw[7] * 1.4 - 0.4)),
        shadow_across=float((0.3 + 0.6 * draw[8]) * (1 if draw[9] < 0.5 else -1)),
        shadow_along=float(1.2 * draw[10] - 0.6),
        dusk=float(max(0.0, draw[11] * 2.2 - 1.2)),
    )
    standing = _trees(rng, camera, kerb, walls) + _cars(rng, camera, kerb) + _people(rng, camera, kerb, walls)
    standing.sort(key=lambda item: -item.depth)
    return Street(camera, light, kerb, walls, standing)


def _trees(rng: np.random.Generator, camera: Camera, kerb: float, walls: float) -> list[Standing]:
    trees = []
    for side in (-1, 1):
        spacing, start, lane, presence = rng.random(4).tolist()
        jitter = rng.random((10, 3)).tolist()
        if presence < 0.2:
            continue
        for number in range(10):
            along = 3 + 5 * start + number * (6.5 + 6 * spacing) + 2 * jitter[number][0]
            across = side * (kerb + 0.7 + (0.5 * lane + 0.15) * (walls - kerb - 1.4))
            depth = camera.depth(across, along)
            size = 0.85 + 0.5 * jitter[number][1]
            if 5 < depth < 50 and jitter[number][2] < 0.6 and _seen(camera, across, along, 2.5):
                trees.append(Standing("tree", across, along, depth, size))
    return trees


def _cars(rng: np.random.Generator, camera: Camera, kerb: float) -> list[Standing]:
    cars: list[Standing] = []
    wanted = rng.integers(3, 7)
    for column, far, lane, size in rng.random((24, 4)).tolist():
        across, along = camera.place(column, 5.5 + 52 * far**1.4)
        # The nearest of: parked left, driving left, driving right, parked right.
        lanes = [lane_side * kerb * offset for lane_side in (-1, 1) for offset in (0.36, 0.76)]
        across = min(lanes, key=lambda middle: abs(middle - across) + 0.6 * lane)
        depth = camera.depth(across, along)
        apart = all(abs(car.along - along) > 5.5 or abs(car.across - across) > 1.7 for car in cars)
        inside = _seen(camera, across, along, 0.5) and camera.depth(across, along - 2.4) > 2.2
        if apart and inside and 5 < depth < 62 and abs(along) > 4:
            cars.append(Standing("car", across, along, depth, 0.92 + 0.16 * size))
            if len(cars) == wanted:
                break
    return cars


def _people(rng: np.random.Generator, camera: Camera, kerb: float, walls: float) -> list[Standing]:
    people: list[Standing] = []
    wanted = rng.integers(3, 8)
    for column, far, crossing, size in rng.random((40, 4)).tolist():
        depth = 3.2 + 19 * far**1.7
        across, along = camera.place(column, depth)
        on_pavement = kerb + 0.3 < abs(across) < walls - 0.3
        feet = camera.project(across, along, 0)[1]
        if feet < 1.04 * camera.height and (on_pavement or (crossing < 0.05 and abs(across) < kerb)):
            people.append(Standing("person", across, along, depth, 0.88 + 0.2 * size - 0.25 * (size < 0.1)))
            if len(people) == wanted:
                break
    return people


def _seen(camera: Camera, across: float, along: float, margin: float) -> bool:
    """Whether the point, give or take a margin in metres, lies between the sides of the image."""
    depth = camera.depth(across, along)
    if depth < 1:
        return False
    x, _ = camera.project(across, along, 0)
    slack = margin * camera.focal / depth
    return -slack < x < camera.width + slack
