"""What the model sees of an image: resized, stretched, mirrored, padded and normalised, window by window."""

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig
from vit_adapter.images import normalize, pad, resize_antialiased, resize_image

from .augmentation import PlannedView


class PreparedView:
    """One view of an image. Pixels are kept as they came; floats are made of what is cut only.

    Args:
        image: [H, W, C], RGB for three channels; uint8, uint16 or float32.
        view: The sizes to bring it to.
        protocol: Normalisation, and whether padding comes before or after it (behaviour 79).

    Attributes:
        view: The sizes.
    """

    def __init__(self, image: np.ndarray, view: PlannedView, protocol: InferenceConfig) -> None:
        self.view = view
        self._protocol = protocol
        # Two resizes one after the other, as published: a single one would give other bytes.
        for size in (view.resized, view.size):
            if image.shape[:2] != size:
                image = resize_antialiased(image, size) if protocol.antialias else resize_image(image, size)
        self._pixels = image[:, ::-1] if view.flip else image

    def cut(self, window: Window) -> np.ndarray:
        """The part of the view inside a window (pixels of the padded view): float32 [1, C, h, w], normalised."""
        pixels = self._pixels[window.slices]
        size = (window.height, window.width)
        if self._protocol.pad_to_crop == "before":
            pixels = pad(pixels, size, 0)
        values = pad(normalize(pixels, self._protocol.normalization), size, 0)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])  # [h, w, C] to [1, C, h, w]
