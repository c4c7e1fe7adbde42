"""What an embedded scene is painted on: colour, label and depth of every pixel, nearest surface last or in front."""

from dataclasses import dataclass

import numpy as np

SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PERSON = range(7)


@dataclass
class Canvas:
    """The layers of a scene under way.

    Attributes:
        colour: float32 [3, H, W] light before the camera's response, about 0..1; planes, since numpy is slow on
            axes of three.
        labels: uint8 [H, W] class indices.
        instances: int32 [H, W] number of the car or person, 0 elsewhere.
        depth: float32 [H, W] metres, infinite for the sky.
    """

    colour: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    depth: np.ndarray

    @staticmethod
    def empty(height: int, width: int) -> "Canvas":
        """A canvas of nothing but sky, not yet coloured."""
        return Canvas(
            np.zeros((3, height, width), np.float32),
            np.zeros((height, width), np.uint8),
            np.zeros((height, width), np.int32),
            np.full((height, width), np.inf, np.float32),
        )
