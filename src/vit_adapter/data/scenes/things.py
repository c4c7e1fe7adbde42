"""Cars and people of an embedded scene: polygons in one image of part numbers, then coloured all at once."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .canvas import CAR, PERSON, TREE, Canvas
from .colours import draw_colours
from .noise import noise_patch
from .street import Camera, Standing, Street

Point = tuple[float, ...]
Colour = Sequence[float]


class _Parts:
    """An image in which every part of every thing has a number, and the table of what the numbers stand for."""

    def __init__(self, camera: Camera):
        self.thing = 0
        self.things: list[int] = [0]
        self._camera = camera
        self._colours: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
        self._corners: list[Point] = []  # (across, along, up)
        self._ends: list[int] = []

    def polygon(self, corners: list[Point], colour: Colour, light: float = 1.0) -> None:
        """Adds a polygon of the current thing in front of all so far; corners (across, along, up) in metres."""
        self._colours.append((colour[0] * light, colour[1] * light, colour[2] * light))
        self.things.append(self.thing)
        self._corners += corners
        self._ends.append(len(self._corners))

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """int32 [H, W] numbers of the visible parts, 0 for none, and float32 [N, 3] colours of the numbers."""
        image = Image.new("I", (self._camera.width, self._camera.height))
        drawing = ImageDraw.Draw(image)
        # Pillow counts from the middle of a pixel.
        points = (self._camera.project_all(np.array(self._corners, np.float32)) - 0.5).ravel().tolist()
        start = 0
        for number, end in enumerate(self._ends, start=1):
            drawing.polygon(points[2 * start : 2 * end], fill=number)
            start = end
        return np.asarray(image), np.array(self._colours, np.float32)


def paint_things(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paints all cars and people, farthest first; trees that are nearer stay in front.

    Instance numbers count from 1 in the order of painting, with gaps where a thing is hidden.
    """
    height, width = canvas.labels.shape
    things = [item for item in street.standing if item.kind != "tree"]
    if not things:
        return
    parts = _Parts(street.camera)
    draws = rng.random((len(things), 6)).tolist()
    uses = ("car", "coat", "trousers", "skin", "hair")
    colours = {use: draw_colours(rng, use, len(things)).tolist() for use in uses}
    for number, thing in enumerate(things, start=1):
        parts.thing = number
        if thing.kind == "car":
            _draw_car(parts, street, thing, colours["car"].pop(), draws.pop())
        else:
            _draw_person(parts, street, thing, [colours[use].pop() for use in uses[1:]], draws.pop())

    numbers, table = parts.draw()
    numbers = numbers.ravel()
    owners = np.array(parts.things, np.int32)
    depths = np.array([np.inf] + [thing.depth for thing in things], np.float32)
    classes = np.array([0] + [CAR if thing.kind == "car" else PERSON for thing in things], np.uint8)
    drawn = np.flatnonzero(numbers)
    thing = owners[numbers[drawn]]
    # Only trees stand in front of things; ground that is nearer than a car's middle lies under the car.
    near = (canvas.labels.ravel()[drawn] != TREE) | (depths[thing] < canvas.depth.ravel()[drawn])
    drawn, thing = drawn[near], thing[near]
    grain = noise_patch("leaf", rng, height, width).ravel()[drawn]
    for plane in range(3):
        canvas.colour[plane].ravel()[drawn] = table[:, plane].take(numbers[drawn]) * (1 + 0.035 * grain)
    canvas.labels.ravel()[drawn] = classes[thing]
    canvas.instances.ravel()[drawn] = thing
    canvas.depth.ravel()[drawn] = depths[thing]


# Side views, (along, up) in metres: body, cabin at its foot and at its roof. Saloon, hatchback, van, pickup.
_SHAPES = [
    {"length": 2.15, "sill": 0.92, "foot": (-1.75, 1.15), "roof": (-1.15, 0.45), "top": 1.46},
    {"length": 1.90, "sill": 0.98, "foot": (-1.88, 1.10), "roof": (-1.60, 0.45), "top": 1.55},
    {"length": 2.35, "sill": 1.15, "foot": (-2.33, 1.85), "roof": (-2.25, 1.30), "top": 2.10},
    {"length": 2.35, "sill": 1.02, "foot": (-0.65, 1.25), "roof": (-0.50, 0.65), "top": 1.75},
]


def _draw_car(parts: _Parts, street: Street, car: Standing, colour: Colour, draw: list[float]) -> None:
    """Draws the faces of a car that the camera sees: body, cabin with windows, wheels, lamps."""
    camera, sun = street.camera, street.light.sun
    shape = _SHAPES[int(4 * draw[0] ** 1.3)]
    half, length, sill, top = 0.9, shape["length"], shape["sill"] * car.size, shape["top"] * car.size
    turned = 1 if draw[1] < 0.5 else -1  # front away from the camera, or towards it
    beside = 1 if camera.across > car.across else -1  # the long side that faces the camera
    ahead = -1 if car.along > 0 else 1  # the end that faces the camera

    def at(across: float, along: float, up: float) -> Point:
        return car.across + across, car.along + turned * along, up

    def span(along: tuple[float, float]) -> tuple[float, float]:
        """(hidden end, end that faces the camera) of a stretch along the car."""
        return along if turned * ahead > 0 else (along[1], along[0])

    lit = beside * street.light.shadow_across < 0
    side_light = 0.88 + (0.12 if lit else -0.2) * sun
    end_light, top_light = 0.78 - 0.05 * sun, 1.12 + 0.1 * sun
    glass = (0.11 + 0.08 * draw[2], 0.14 + 0.08 * draw[2], 0.18 + 0.08 * draw[2])
    tyre, under = (0.07, 0.07, 0.08), (0.05, 0.05, 0.05)
    rear, front = span((-length, length))
    foot_rear, foot_front = span(shape["foot"])
    roof_rear, roof_front = span(shape["roof"])
    near, far, inset = beside * half, -beside * half, beside * (half - 0.16)
    long_side_seen = abs(camera.across - car.across) > half

    close = camera.focal / car.depth > 7  # pixels per metre: farther away the small parts would be specks
    for wheel in (-0.62 * length, 0.62 * length) if close else ():  # on the far side, seen below the body
        parts.polygon(
            [at(far * 0.9, wheel + a, u) for a, u in ((-0.3, 0), (0.3, 0), (0.3, 0.4), (-0.3, 0.4))], tyre
        )
    for beside_wheel in (-0.72, 0.72):
        tread = ((-0.13, 0), (0.13, 0), (0.13, 0.35), (-0.13, 0.35))
        parts.polygon([at(beside_wheel + a, front * 0.8, u) for a, u in tread], tyre)
    low = 0.2
    parts.polygon(
        [at(near, front, 0.12), at(far, front, 0.12), at(far, front, 0.5), at(near, front, 0.5)], under
    )
    deck = [at(near, rear, sill), at(far, rear, sill), at(far, front, sill), at(near, front, sill)]
    parts.polygon(deck, colour, top_light)
    # Cabin: the far pillar first, the roof, the end window, the side windows.
    roof = [
        at(inset, roof_rear, top),
        at(-inset, roof_rear, top),
        at(-inset, roof_front, top),
        at(inset, roof_front, top),
    ]
    end = [at(near * 0.95, foot_front, sill), at(far * 0.95, foot_front, sill), roof[2], roof[3]]
    parts.polygon(end, colour, end_light)
    parts.polygon(_shrunk(end, 0.84), glass, 1.1)
    if long_side_seen:
        cabin = [at(near * 0.95, foot_rear, sill), at(near * 0.95, foot_front, sill), roof[3], roof[0]]
        parts.polygon(cabin, colour, side_light)
        parts.polygon(_shrunk(cabin, 0.82), glass, 0.95)
        if close:
            middle = (foot_rear + foot_front) / 2
            pillar = [at(near * 0.95, middle - 0.07, sill), at(near * 0.95, middle + 0.07, sill),
                      at(inset, middle + 0.07, top), at(inset, middle - 0.07, top)]  # fmt: skip
            parts.polygon(pillar, colour, side_light * 0.9)
    parts.polygon(roof, colour, top_light)
    face = [at(near, front, low), at(far, front, low), at(far, front, sill), at(near, front, sill)]
    parts.polygon(face, colour, end_light)
    if long_side_seen:
        flank = [at(near, rear, low), at(near, front, low), at(near, front, sill), at(near, rear, sill)]
        parts.polygon(flank, colour, side_light)
        skirt = [
            at(near, rear, low),
            at(near, front, low),
            at(near, front, low + 0.2),
            at(near, rear, low + 0.2),
        ]
        parts.polygon(skirt, colour, side_light * 0.7)
        for wheel in (-0.62 * length, 0.62 * length):
            parts.polygon([at(near, wheel + 0.36 * a, 0.36 + 0.36 * b) for a, b in _CIRCLE], tyre)
            if close:
                parts.polygon(
                    [at(near, wheel + 0.17 * a, 0.36 + 0.17 * b) for a, b in _CIRCLE], (0.55, 0.55, 0.56)
                )
    is_front = turned * ahead > 0
    lamp = (0.95, 0.93, 0.8) if is_front else (0.75, 0.08, 0.06)
    for inner, outer in ((0.52, 0.88), (-0.88, -0.52)):
        corners = ((inner, 0.6), (outer, 0.6), (outer, 0.8), (inner, 0.8))
        parts.polygon([at(a, front, u * sill / 0.95) for a, u in corners], lamp)
    bumper = [at(near, front, low), at(far, front, low), at(far, front, 0.42), at(near, front, 0.42)]
    parts.polygon(bumper, colour, end_light * (0.45 + 0.3 * draw[3]))


_CIRCLE = [(float(np.cos(angle)), float(np.sin(angle))) for angle in np.linspace(0, 2 * np.pi, 11)[:-1]]


def _shrunk(points: list[Point], factor: float) -> list[Point]:
    """The polygon drawn towards its middle."""
    middle = [sum(values) / len(points) for values in zip(*points)]
    return [tuple(m + factor * (value - m) for m, value in zip(middle, point)) for point in points]


def _draw_person(
    parts: _Parts, street: Street, person: Standing, colours: list[list[float]], draw: list[float]
) -> None:
    """Draws a walking person who faces the camera or turns away: legs, arms, torso, head with hair, maybe a bag."""
    tall = 1.75 * person.size
    aside, away = street.camera.facing
    coat, trousers, skin, hair = colours
    shoes = (0.1, 0.09, 0.09)
    close = tall * street.camera.focal / person.depth > 16  # pixels: smaller people get no small parts
    stride, swing, hem, bag, turn, build = draw
    # Two garments of one brightness would hide the waist.
    if abs(sum(coat) - sum(trousers)) < 0.36:
        trousers = [value * 0.5 for value in trousers]
    wide = tall * (1.06 + 0.24 * build)
    step = (0.05 + 0.08 * stride) * (1 if turn < 0.5 else -1)
    hem = 0.5 - (0.17 if hem < 0.25 else 0)  # a long coat or skirt

    def flat(corners: Sequence[tuple[float, float]]) -> list[Point]:
        """Corners (sideways, up) as shares of the person's height."""
        across, along = person.across, person.along
        return [(across + aside * wide * x, along + away * wide * x, tall * up) for x, up in corners]

    for foot, light in ((-step, 0.78), (step, 1.0)):
        hip = 0.045 if foot > 0 else -0.045
        leg = [(hip - 0.065, 0.52), (hip + 0.065, 0.52), (foot + 0.055, 0.03), (foot - 0.05, 0.03)]
        parts.polygon(flat(leg), trousers, light)
        if not close:
            continue
        shoe = [(foot - 0.05, 0.035), (foot + 0.06, 0.035), (foot + 0.065, 0), (foot - 0.05, 0)]
        parts.polygon(flat(shoe), shoes)
    for side, light in ((-1, 0.8), (1, 0.95)):
        hand = side * (0.15 + 0.04 * swing)
        if close:
            parts.polygon(flat([(hand + 0.025 * a, 0.46 + 0.025 * b) for a, b in _CIRCLE[::2]]), skin)
        arm = [(side * 0.09, 0.81), (side * 0.15, 0.79), (hand + 0.03, 0.47), (hand - 0.03, 0.47)]
        parts.polygon(flat(arm), coat, light)
    parts.polygon(flat([(-0.13, 0.82), (0.13, 0.82), (0.12, hem), (-0.12, hem)]), coat)
    if close:
        parts.polygon(flat([(0.02, 0.82), (0.12, 0.82), (0.1, hem), (0.04, hem)]), coat, 0.82)
    if close and bag < 0.3:
        side = 0.13 if bag < 0.15 else -0.13
        parts.polygon(
            flat([(side - 0.06, 0.62), (side + 0.06, 0.62), (side + 0.06, 0.46), (side - 0.06, 0.46)]), hair
        )
    parts.polygon(flat([(-0.03, 0.86), (0.03, 0.86), (0.03, 0.8), (-0.03, 0.8)]), skin, 0.85)
    parts.polygon(flat([(0.06 * a, 0.915 + 0.075 * b) for a, b in _CIRCLE]), skin)
    cap = [
        (-0.065, 0.92),
        (-0.05, 0.985),
        (0, 1.01),
        (0.05, 0.985),
        (0.065, 0.92),
        (0.03, 0.955),
        (-0.03, 0.955),
    ]
    parts.polygon(flat(cap), hair)
