"""Frames of a video as image files, one after the other."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images.video_reading import opened_video

from .labelled import Size


class VideoFrames:
    """A video whose frames are asked for by their numbers; in ascending order it is read once.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._frames: Iterator[np.ndarray] | None = None
        self._next = 0

    def png(self, number: int) -> tuple[bytes, Size]:
        """A frame as the content of a PNG file, and its (height, width).

        Raises:
            InputError: The video cannot be read, or has fewer frames.
            ModuleNotFoundError: PyAV is not installed.
        """
        if self._frames is None or number < self._next:
            self._frames, self._next = self._read(), 0
        for pixels in self._frames:
            self._next += 1
            if self._next > number:
                content = io.BytesIO()
                Image.fromarray(pixels).save(content, "PNG")
                return content.getvalue(), (pixels.shape[0], pixels.shape[1])
        raise InputError(f"{self.path}: has no frame {number}, it ends after {self._next}")

    def _read(self) -> Iterator[np.ndarray]:
        with opened_video(self.path) as video:
            for frame in video.read():
                yield frame.pixels
