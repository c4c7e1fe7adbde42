"""Outlines of masks: closed polygons halfway between the pixels inside and those outside."""

import numpy as np

# Directions as (row, column), each one a quarter turn clockwise after the one before.
TURNS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The closed outlines of a mask, those of its holes among them.

    A corner of an outline lies halfway between a pixel inside and its neighbour outside, so that corners are cut.
    Pixels that only touch diagonally belong to different outlines.

    Args:
        mask: bool [H, W]. Beyond its border is outside.

    Returns:
        float64 [P, 2] each: x and y of the corners, without the first one repeated; between -0.5 and the sides
        minus 0.5. By their uppermost, then leftmost corner.
    """
    inside = np.pad(mask, 1)
    # A side is a pixel inside with a direction that leads outside; number = pixel * 4 + direction.
    rows, columns = np.nonzero(inside)
    number = rows * inside.shape[1] + columns
    following: dict[int, int] = {}
    for turn, outwards in enumerate(TURNS):
        along = TURNS[(turn + 1) % 4]
        is_side = ~inside[rows + outwards[0], columns + outwards[1]]
        row, column, pixel = rows[is_side], columns[is_side], number[is_side]
        beside = inside[row + along[0], column + along[1]]
        ahead = beside & inside[row + along[0] + outwards[0], column + along[1] + outwards[1]]
        width = inside.shape[1]
        step, diagonal = along @ (width, 1), (along + outwards) @ (width, 1)
        # Round the pixel itself; straight on to the next one; or into a corner, to the one diagonally before us.
        target = np.where(ahead, pixel + diagonal, np.where(beside, pixel + step, pixel)) * 4
        target += np.where(ahead, (turn + 3) % 4, np.where(beside, turn, (turn + 1) % 4))
        following.update(zip((pixel * 4 + turn).tolist(), target.tolist(), strict=True))
    outlines = []
    for start in sorted(following):
        if start not in following:
            continue
        sides, side = [], start
        while side in following:
            sides.append(side)
            side = following.pop(side)
        pixel, turn = np.divmod(np.array(sides), 4)
        row, column = np.divmod(pixel, inside.shape[1])
        corners = np.stack([column + TURNS[turn, 1] / 2, row + TURNS[turn, 0] / 2], 1)
        outlines.append(corners - 1)
    return outlines
