"""Trees of an embedded scene: trunk and ragged crown of leaves, cut out of noise."""

import numpy as np

from .canvas import TREE, Canvas
from .colours import draw_colours
from .noise import noise_at
from .street import Standing, Street


def paint_trees(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paints all trees, farthest first; what is nearer on the canvas stays in front."""
    trees = [item for item in street.standing if item.kind == "tree"]
    colours = draw_colours(rng, "tree", max(len(trees), 1))
    bark = draw_colours(rng, "bark", 1)[0]
    kind = rng.random(4).tolist()  # one street has one kind of tree, more or less
    colours = colours * (1 - 0.6 * kind[0]) + 0.6 * kind[0] * colours[0]
    for tree, colour in zip(trees, colours):
        _paint_tree(canvas, street, tree, colour, bark, conical=kind[1] < 0.2, draw=rng.random(6).tolist())


def _paint_tree(
    canvas: Canvas,
    street: Street,
    tree: Standing,
    colour: np.ndarray,
    bark: np.ndarray,
    conical: bool,
    draw: list[float],
) -> None:
    camera, sun = street.camera, street.light.sun
    x, base = camera.project(tree.across, tree.along, 0)
    metre = camera.focal / tree.depth  # pixels
    radius = (1.5 + 0.8 * draw[0]) * tree.size * (0.8 if conical else 1)
    trunk = (1.0 if conical else 1.7 + 0.8 * draw[1]) * tree.size
    crown = radius * (3.4 if conical else 1.7 + 0.8 * draw[2])  # height in metres
    left, right = int(x - 1.3 * radius * metre), int(x + 1.3 * radius * metre) + 2
    top, bottom = int(base - (trunk + 1.15 * crown) * metre) - 1, int(base) + 2
    left, right, top, bottom = max(left, 0), min(right, camera.width), max(top, 0), min(bottom, camera.height)
    if left >= right or top >= bottom:
        return
    beside = (np.arange(left, right, dtype=np.float32)[None, :] + 0.5 - x) / metre
    up = (base - np.arange(top, bottom, dtype=np.float32)[:, None] - 0.5) / metre

    # Clumps and leaves come from noise in the tree's own metres, so that they shrink with it.
    clump_scale, leaf_scale, shift = 9.0, min(14.0, metre * 0.9), 256 * draw[3]
    clumps = noise_at("blob", up * clump_scale + shift, beside * clump_scale + 3 * shift)
    leaves = noise_at("leaf", up * leaf_scale + 5 * shift, beside * leaf_scale + 7 * shift)

    rise = (up - trunk) / crown  # 0 at the bottom of the crown, 1 at its top
    if conical:
        tiers = 1 - (5 * rise + 0.3) % 1  # boughs in five tiers, each wider at its foot
        envelope = (
            (1.0 - rise) * (0.6 + 0.25 * tiers) + np.minimum(rise, 0) * 8 - np.abs(beside) / (1.3 * radius)
        )
    else:
        envelope = (0.9 - (2 * rise - 1) ** 2) - (beside / radius) ** 2
    leafy = envelope + (0.03 if conical else 0.2) * clumps + (0.05 if conical else 0.1) * leaves > 0
    half = np.maximum(0.15 * tree.size + 0.03 * np.maximum(1 - up, 0), 0.9 / metre)
    stem = (np.abs(beside) < half) & ((up > 0) & (up < trunk + 0.4 * crown))

    box = slice(top, bottom), slice(left, right)
    mask = (leafy | stem) & (canvas.depth[box] > tree.depth)
    row, column = np.nonzero(mask)
    leafy, leaves, clumps = leafy[mask], leaves[mask], clumps[mask]
    side = (np.sign(street.light.shadow_across) / radius * beside[0]).take(column)  # +1 on the shaded side
    crown_shade = (
        0.92 + 0.34 * leaves + 0.12 * clumps + 0.25 * (rise[:, 0] - 0.5).take(row) - 0.18 * sun * side
    )
    shade = np.where(leafy, np.maximum(crown_shade, 0.25), 0.85 - 0.25 * side + 0.12 * leaves)
    for plane in range(3):
        canvas.colour[plane][box][mask] = np.where(leafy, colour[plane], bark[plane]) * shade
    canvas.labels[box][mask] = TREE
    canvas.depth[box][mask] = tree.depth
