"""Frames into video files. Needs PyAV, the extra "video"."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError

from .video_sound import Sound, open_sound

ENCODERS = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".avi": "libx264",
    ".webm": "libvpx-vp9",
}
OPTIONS = {
    "libx264": {"crf": "18", "preset": "fast"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
}
BT709 = 1
"""Of primaries, transfer curve and matrix alike: what players assume of high definition."""


def check_video_name(path: Path, setting: str) -> None:
    """Refuses a name whose ending names no kind of video that can be written, or whose encoder is missing.

    Args:
        path: The file.
        setting: What named it, for the message.

    Raises:
        InputError: It cannot be written.
    """
    import av

    encoder = ENCODERS.get(path.suffix.lower())
    if encoder is None:
        raise InputError(f"{setting} {path}: expected a name that ends with {', '.join(ENCODERS)}")
    if encoder not in av.codecs_available:
        raise InputError(f"{setting} {path}: this PyAV has no encoder {encoder}; take another ending")


class VideoWriter:
    """A video file that is being written; of odd sides the last pixel is left out.

    Attributes:
        silence: Why the sound, or the rest of it, is missing, in words; None: it is not.
    """

    def __init__(
        self,
        container: Any,
        encoder: str,
        rate: Fraction,
        time_base: Fraction,
        pixel_ratio: Fraction,
    ) -> None:
        self._container, self._time_base = container, time_base
        self._sound: Sound | None = None
        self.silence: str | None = None
        self._stream: Any = container.add_stream(encoder, rate=rate, options=dict(OPTIONS[encoder]))
        context = self._stream.codec_context
        context.time_base = time_base
        context.pix_fmt = "yuv420p"
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._pixel_ratio = pixel_ratio
        self._begun = False

    def add_sound(self, path: Path, ending: str) -> None:
        """Adds the sound of a file, before the first frame; ``silence`` says why it cannot be had."""
        self._sound, self.silence = open_sound(path, self._container, ending)

    def write(self, pixels: np.ndarray, time: int) -> None:
        """Adds a frame.

        Args:
            pixels: uint8 [H, W, 3], all of one size.
            time: When it is shown, in units of the time base; later than the one before.
        """
        from av import VideoFrame
        from av.video.reformatter import Colorspace

        height, width = (side - side % 2 for side in pixels.shape[:2])
        context = self._stream.codec_context
        if not self._begun:
            context.width, context.height, self._begun = width, height, True
            context.sample_aspect_ratio = self._pixel_ratio
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = time, self._time_base
        self._container.mux(self._stream.encode(frame))
        self._write_sound(time * self._time_base)

    def end(self) -> None:
        """Adds what the encoder holds back, and the rest of the sound."""
        if self._begun:
            self._container.mux(self._stream.encode(None))
            self._write_sound(None)

    def close(self) -> None:
        """Closes the file with the sound."""
        if self._sound is not None:
            self._sound.close()

    def _write_sound(self, until: Fraction | None) -> None:
        if self._sound is not None:
            self._sound.write_until(until)
            self.silence = self._sound.problem


@contextmanager
def video_writer(
    path: Path,
    *,
    rate: Fraction,
    time_base: Fraction,
    pixel_ratio: Fraction = Fraction(1),
    sound_of: Path | None = None,
) -> Iterator[VideoWriter]:
    """A video file to write frames into.

    Args:
        path: The file; its ending says of which kind.
        rate: Frames in a second, on average.
        time_base: Seconds in a unit of the frames' times.
        pixel_ratio: Width of a pixel over its height.
        sound_of: A file whose first sound track is added; None: no sound.

    Raises:
        OSError: It cannot be written.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(f"file:{path}", "w") as container, ExitStack() as stack:
            ending = path.suffix.lower()
            writer = VideoWriter(container, ENCODERS[ending], rate, time_base, pixel_ratio)
            stack.callback(writer.close)
            if sound_of is not None:
                writer.add_sound(sound_of, ending)
            yield writer
            writer.end()
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror or str(error)) from error
