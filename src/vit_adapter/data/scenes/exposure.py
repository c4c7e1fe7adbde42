"""From light to image: haze, lens, colour cast, exposure and sensor noise of an embedded scene."""

import numpy as np

from .canvas import SKY, Canvas
from .noise import noise_patch
from .street import Street

# White balance of the hour: noon, overcast, morning, evening, dusk, sodium lamps.
_CASTS = np.array(
    [
        (1, 1, 1),
        (0.96, 1, 1.05),
        (1.06, 1.01, 0.92),
        (1.12, 0.98, 0.86),
        (0.90, 0.96, 1.12),
        (1.10, 1.0, 0.84),
    ],
    np.float32,
)


def expose(canvas: Canvas, street: Street, sky: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes the image.

    Args:
        canvas: The painted scene.
        street: Its plan.
        sky: [3] colour of the haze.
        rng: Source of randomness.

    Returns:
        uint8 [H, W, 3].
    """
    height, width = canvas.labels.shape
    draw = rng.random(8).tolist()
    colour = canvas.colour
    sight = 120 * 10 ** draw[0]  # metres after which 63 % of the light is haze
    haze = 1 - np.exp(canvas.depth * (-1 / sight))
    haze[canvas.labels == SKY] = 0
    colour += haze * (sky[:, None, None] - colour)

    blur = 0.04 + 0.06 * draw[1]
    colour[:, 1:-1] += blur * (colour[:, :-2] + colour[:, 2:] - 2 * colour[:, 1:-1])
    colour[..., 1:-1] += blur * (colour[..., :-2] + colour[..., 2:] - 2 * colour[..., 1:-1])

    cast = _CASTS[int(draw[2] * len(_CASTS))] * ((0.85 + 0.3 * draw[3]) * (1 - 0.15 * street.light.dusk))
    saturation = 0.75 + 0.45 * draw[4]  # of the film
    mixing = cast[:, None] * (saturation * np.eye(3) + (1 - saturation) / 3)
    colour = (mixing.astype(np.float32) @ colour.reshape(3, -1)).reshape(3, height, width)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    colour *= 255 - 255 * 0.12 * draw[5] * (x * x + y * y)  # vignette
    strength = 255 * (0.004 + 0.006 * draw[6])
    image = np.empty((height, width, 3), np.uint8)
    for plane in range(3):
        value = colour[plane] + strength * noise_patch("white", rng, height, width)
        image[..., plane] = np.minimum(np.maximum(value, 0), 255)
    return image
