"""Sky and ground of an embedded scene."""

import numpy as np
from PIL import Image, ImageDraw

from .canvas import PAVEMENT, ROAD, Canvas
from .colours import draw_colours
from .noise import noise_at, noise_patch
from .street import Street

# (overhead, near the horizon): blue, pale, overcast, hazy, evening, storm, white.
_SKIES = np.array(
    [
        [(0.30, 0.48, 0.78), (0.74, 0.83, 0.90)],
        [(0.48, 0.62, 0.80), (0.80, 0.82, 0.82)],
        [(0.60, 0.61, 0.64), (0.74, 0.74, 0.73)],
        [(0.56, 0.55, 0.56), (0.78, 0.72, 0.62)],
        [(0.36, 0.40, 0.60), (0.92, 0.66, 0.46)],
        [(0.40, 0.43, 0.50), (0.58, 0.60, 0.62)],
        [(0.78, 0.79, 0.80), (0.88, 0.87, 0.84)],
    ],
    np.float32,
)


def paint_sky(canvas: Canvas, street: Street, rng: np.random.Generator) -> np.ndarray:
    """Paints gradient and clouds over the whole canvas.

    Returns:
        float32 [3] colour of the sky at the horizon, which haze takes too.
    """
    height, width = canvas.labels.shape
    camera = street.camera
    draw = rng.random(8).tolist()
    overhead, low = _SKIES[int(draw[0] * len(_SKIES))] * np.float32(0.85 + 0.25 * draw[1])
    bottom = min(height, max(int(camera.horizon.max()) + 2, 1))
    # 0 at the horizon, 1 one image height above it.
    rise = np.maximum(camera.horizon - np.arange(bottom, dtype=np.float32)[:, None], 0) * np.float32(
        1 / height
    )
    blend = np.minimum(rise * (1.2 + 1.5 * draw[2]), 1)

    stretch = 10 / (rise + 0.12)  # clouds get flatter and smaller towards the horizon
    columns = (np.arange(width, dtype=np.float32) / height - 0.5) * stretch
    clouds = noise_at("cloud", stretch * 2.2 + 256 * draw[3], columns + 256 * draw[4])
    cover = np.minimum(np.maximum((clouds + (2.2 * draw[5] - 1.6)) * 0.55, 0), 1) * (0.3 + 0.5 * draw[6])

    cloud = low * 0.4 + np.float32(0.25 + 0.35 * draw[7])
    for plane in range(3):
        colour = low[plane] + blend * (overhead[plane] - low[plane])
        canvas.colour[plane, :bottom] = colour + cover * (cloud[plane] - colour)
    return low


def paint_ground(canvas: Canvas, street: Street, shade_heights: np.ndarray, rng: np.random.Generator) -> None:
    """Paints road and pavement with marks, joints and shadows below the horizon.

    Args:
        canvas: Where to paint.
        street: The plan.
        shade_heights: [L] height in metres of the wall that may shade the street, per metre along it from -20.
        rng: Source of randomness.
    """
    camera = street.camera
    height, width = canvas.labels.shape
    top = max(0, int(camera.horizon.min()))
    rows = np.arange(top, height, dtype=np.float32)[:, None] + 0.5
    below = rows - camera.horizon
    depth = camera.level * camera.focal / np.maximum(below, 0.25)
    across = camera.across + depth * camera.slope_across
    along = depth * camera.slope_along
    side = np.abs(across)
    pixel = depth / camera.focal  # metres per pixel, sideways
    long_pixel = pixel * np.maximum(depth / camera.level, 1)  # metres per pixel, away from the camera

    on_road = side < street.kerb
    draw = rng.random(16).tolist()
    colours = np.concatenate([draw_colours(rng, "pavement", 1), draw_colours(rng, "road", 1)])

    grain = noise_patch("grain", rng, len(rows), width)
    stains = noise_at("blob", along * 5 + 256 * draw[0], across * 9 + 256 * draw[1])
    # Road: fine grain, darker wheel tracks and stains.
    road = 1 + (0.05 + 0.05 * draw[2]) * grain + 0.04 * stains
    # Pavement: slabs that differ in brightness, with joints between them.
    slab = 0.8 + 0.5 * draw[3]
    across_slabs, along_slabs = across / slab, along / slab
    across_index, along_index = np.floor(across_slabs), np.floor(along_slabs)
    slabs = noise_at("white", across_index * 17, along_index * 31)
    gap = 0.09 + 0.04 * draw[4]
    joints = np.maximum(
        _line(np.abs(across_slabs - across_index - 0.5) - 0.5 + gap / slab / 2, pixel / slab),
        _line(np.abs(along_slabs - along_index - 0.5) - 0.5 + gap / slab / 2, long_pixel / slab),
    )
    pavement = (1 + 0.09 * slabs + 0.03 * grain) * (1 - (0.4 + 0.2 * draw[5]) * joints)
    kerb = _line(0.16 - np.abs(side - street.kerb - 0.16), pixel)
    pavement += (0.35 + 0.3 * draw[6]) * kerb
    gutter = _line(0.12 - np.abs(side - street.kerb + 0.12), pixel)
    road *= 1 - 0.4 * gutter

    shade = np.where(on_road, road, pavement)
    light = street.light
    if light.sun > 0.1:
        sunny_side = -np.sign(light.shadow_across)
        index = np.clip(along + 20, 0, len(shade_heights) - 1).astype(np.int32)
        reach = shade_heights.take(index) * abs(light.shadow_across)
        shade *= 1 - 0.35 * light.sun * (street.walls - sunny_side * across < reach)
    shade *= 1 - _shadows(street, top) * (0.0018 if light.sun <= 0.1 else 0.0022)

    marks = _marks(street, draw[7:], across, along, pixel, on_road)
    marks *= np.minimum(0.85 + 0.2 * stains, 1)  # worn paint
    paint = (0.92, 0.90, 0.86 if draw[15] < 0.7 else 0.45)
    ground = below > 0
    for plane in range(3):
        pavement_value, road_value = colours[:, plane].tolist()
        colour = np.where(on_road, np.float32(road_value), np.float32(pavement_value))
        colour += marks * (paint[plane] - colour)
        np.copyto(canvas.colour[plane, top:], colour * shade, where=ground)
    np.copyto(canvas.labels[top:], np.where(on_road, ROAD, PAVEMENT).astype(np.uint8), where=ground)
    np.copyto(canvas.depth[top:], depth, where=ground)


def _line(inside: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Share of a pixel that a line covers, from the distance to its edge (positive inside); both in one unit."""
    return np.minimum(np.maximum(inside / pixel + 0.5, 0), 1)


def _marks(
    street: Street,
    draw: list[float],
    across: np.ndarray,
    along: np.ndarray,
    pixel: np.ndarray,
    road: np.ndarray,
):
    """Share of paint in each pixel of the ground: dashed middle line, edge lines, sometimes a crossing."""
    period = 5 + 3 * draw[0]
    dashes = along * (1 / period) + 2 * draw[1]
    marks = _line(0.12 - np.abs(across), pixel) * (dashes - np.floor(dashes) < 0.55)
    if draw[2] < 0.55:
        marks = np.maximum(marks, _line(0.1 - np.abs(np.abs(across) - street.kerb + 0.5), pixel))
    if draw[3] < 0.4:
        start = 5 + 12 * draw[4]
        stripes = _line(0.27 - np.abs(across - 1.1 * np.floor(across / 1.1) - 0.55), pixel)
        crossing = (along > start) & (along < start + 3) & (np.abs(across) < street.kerb - 0.3)
        marks = np.where(crossing, stripes, marks)
    return (marks * road * (0.6 + 0.3 * draw[5])).astype(np.float32)


def _shadows(street: Street, top: int) -> np.ndarray:
    """uint8 [H - top, W]: how dark trees, cars and people make the ground, 0..255."""
    camera, light = street.camera, street.light
    corners: list[tuple[float, float, float]] = []
    ends: list[tuple[int, int]] = []  # (corners so far, darkness)

    def fill(polygon: list[tuple[float, float]], value: int) -> None:
        if min(camera.depth(across, along) for across, along in polygon) > 0.8:
            corners.extend((across, along, 0.0) for across, along in polygon)
            ends.append((len(corners), value))

    def ring(across: float, along: float, radius: float) -> list[tuple[float, float]]:
        return [(across + radius * a, along + radius * b) for a, b in _CIRCLE]

    sun = int(190 * light.sun)
    for item in street.standing:
        across, along = item.across, item.along
        if sun > 15:
            reach = {"tree": 3.8, "car": 1.2, "person": 1.5}[item.kind] * item.size
            far_across, far_along = across + reach * light.shadow_across, along + reach * light.shadow_along
            if item.kind == "tree":
                fill(ring(far_across, far_along, 2.0 * item.size), sun)
                fill([(across - 0.15, along), (across + 0.15, along), (far_across, far_along)], sun)
            elif item.kind == "car":
                for part in (0.5, 1.0):
                    shift = part * reach
                    fill(
                        _footprint(across + shift * light.shadow_across, along + shift * light.shadow_along),
                        sun,
                    )
            else:
                fill([(across - 0.2, along), (across + 0.2, along), (far_across + 0.2, far_along),
                      (far_across - 0.2, far_along)], sun)  # fmt: skip
        if item.kind == "car":
            fill(_footprint(across, along), 235)
        else:
            fill(ring(across, along, 0.35 * item.size), 150)
    image = Image.new("L", (camera.width, camera.height - top))
    draw, start = ImageDraw.Draw(image), 0
    points = (
        (camera.project_all(np.array(corners or [(0, 1, 0)], np.float32)) - (0.5, 0.5 + top)).ravel().tolist()
    )
    for end, value in ends:
        draw.polygon(points[2 * start : 2 * end], fill=value)
        start = end
    return np.asarray(image)


_CIRCLE = [(float(np.cos(angle)), float(np.sin(angle))) for angle in np.linspace(0, 2 * np.pi, 11)[:-1]]


def _footprint(across: float, along: float) -> list[tuple[float, float]]:
    return [(across + a, along + b) for a, b in ((-0.92, -2.1), (0.92, -2.1), (0.92, 2.1), (-0.92, 2.1))]
