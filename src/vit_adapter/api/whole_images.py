"""A warning before an image goes through the model at once that is too large for it."""

import sys

import numpy as np

from vit_adapter.config import InferenceConfig
from vit_adapter.inference.cost import is_large_whole


def warns_about_whole(name: str, image: np.ndarray, protocol: InferenceConfig, said: bool = False) -> bool:
    """Whether an image is too large to be processed whole; prints a line about it unless that was ``said`` already.

    Args:
        name: What the image is called.
        image: [H, W, C].
        protocol: How the model is applied.
        said: A line about an earlier image is enough.
    """
    height, width = image.shape[:2]
    large = is_large_whole((height, width), protocol)
    if large and not said:
        print(
            f"{name}: {width}x{height} pixels go through the model at once (protocol.mode whole), which takes minutes "
            "and gigabytes; --protocol.mode slide works in windows",
            file=sys.stderr,
        )
    return large
