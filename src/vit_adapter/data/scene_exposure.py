"""From light to picture: haze, lens, colour cast, exposure and sensor noise of an embedded scene."""

import numpy as np

from .scene_canvas import SKY, Canvas
from .scene_noise import noise_patch
from .scene_street import Street

# White balance of the hour: noon, overcast, morning, evening, dusk, sodium lamps.
_CASTS = np.array(
    [
        (1, 1, 1),
        (0.95, 1, 1.06),
        (1.08, 1.01, 0.88),
        (1.16, 0.97, 0.80),
        (0.84, 0.92, 1.16),
        (1.14, 1.0, 0.74),
    ],
    np.float32,
)


def expose(canvas: Canvas, street: Street, sky: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes the picture.

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
    sight = 70 * 12 ** draw[0]  # metres after which 63 % of the light is haze
    haze = 1 - np.exp(canvas.depth * (-1 / sight))
    haze[canvas.labels == SKY] = 0
    colour += haze[..., None] * (sky - colour)

    blur = np.float32(0.06 + 0.12 * draw[1])
    colour[1:-1] += blur * (colour[:-2] + colour[2:] - 2 * colour[1:-1])
    colour[:, 1:-1] += blur * (colour[:, :-2] + colour[:, 2:] - 2 * colour[:, 1:-1])

    cast = _CASTS[int(draw[2] * len(_CASTS))] * (0.75 + 0.4 * draw[3]) * (1 - 0.3 * street.light.dusk)
    grey = colour.mean(axis=2, keepdims=True)
    colour = grey + (0.55 + 0.6 * np.float32(draw[4])) * (colour - grey)  # saturation of the film
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    vignette = 1 - np.float32(0.12 * draw[5]) * (x * x + y * y)
    colour *= vignette[..., None] * cast.astype(np.float32)
    noise = np.stack([noise_patch("white", rng, height, width) for _ in range(3)], axis=2)
    colour += np.float32(0.006 + 0.016 * draw[6]) * noise
    colour *= 255
    return np.minimum(np.maximum(colour, 0), 255).astype(np.uint8)
