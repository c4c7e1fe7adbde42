"""Frames of video files. Needs PyAV, the extra "video"."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError

CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,gif,ivf,mxf,dv,nut,wtv,rm,mjpeg,m4v,"
    "h264,hevc,av1,obu,3gp,vob"
)
"""Kinds of files that are opened: none that names other files, as playlists do, and no images."""


@dataclass(frozen=True)
class VideoFrame:
    """A frame as it is shown.

    Attributes:
        pixels: uint8 [H, W, 3], upright.
        time: When it is shown, in units of the video's ``time_base``.
    """

    pixels: np.ndarray
    time: int


class Video:
    """An opened video file.

    Attributes:
        path: The file.
        rate: Frames in a second, on average.
        time_base: Seconds in a unit of time.
        frames: How many there are, as far as the file says; None: not known.
        states_frames: The number of frames is what the file says, not an estimate.
        has_audio: There is sound too.
        pixel_ratio: Width of a stored pixel over its height.
        damages: Places that could not be decoded so far.
    """

    def __init__(self, container: Any, path: Path) -> None:
        self._container, self.path = container, path
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        self._stream: Any = stream
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.time_base = Fraction(stream.time_base or 1 / self.rate)
        self.states_frames = bool(stream.frames)
        self.frames: int | None = stream.frames or None
        if self.frames is None and container.duration:
            self.frames = max(1, round(container.duration / 1_000_000 * self.rate))
        self.has_audio = bool(container.streams.audio)
        self.pixel_ratio = Fraction(stream.sample_aspect_ratio or 1)
        self.damages = 0

    def read(self) -> Iterator[VideoFrame]:
        """The frames, in the order in which they are shown. What cannot be decoded is left out and counted.

        A file that ends too early ends here without an error.
        """
        last: int | None = None
        first: tuple[int, int] | None = None
        for frame in self._decoded():
            turns = round(frame.rotation / 90) % 4
            first = first or (frame.width, frame.height)  # a video may change its size; the first one counts
            stored = frame.to_ndarray(format="rgb24", width=first[0], height=first[1])
            pixels = np.rot90(stored, turns)
            time = frame.pts
            if time is None or (last is not None and time <= last):  # files without times, or with wrong ones
                step = max(1, round(1 / (self.rate * self.time_base)))
                time = 0 if last is None else last + step
            last = time
            yield VideoFrame(np.ascontiguousarray(pixels), time)

    def _decoded(self) -> Iterator[Any]:
        from av.error import FFmpegError

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError:
                self.damages += 1
                return  # behind what cannot be read there is nothing
            try:
                yield from packet.decode()
            except FFmpegError:
                self.damages += 1


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Opens a file of video or sound: a plain local one, whatever its name looks like.

    Raises:
        InputError: There is no such file, or it is none that can be read.
    """
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise InputError(f"{path}: {'a folder, expected a video file' if path.is_dir() else 'no such file'}")
    try:
        container = av.open(
            f"file:{path}", options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        )
    except FFmpegError as error:
        raise InputError(
            f"{path}: not a video that can be read ({error.strerror or error}); it may be damaged or another kind of "
            "file"
        ) from None
    with container:
        yield container


@contextmanager
def opened_video(path: Path) -> Iterator[Video]:
    """Opens a video file.

    Raises:
        InputError: There is no such file, it is no video, or its coding cannot be read.
    """
    with open_container(path) as container:
        if not container.streams.video:
            kinds = sorted({stream.type for stream in container.streams})
            raise InputError(f"{path}: has no video stream (but {', '.join(kinds) or 'nothing'})")
        if container.streams.video[0].codec_context is None:
            raise InputError(f"{path}: its video is coded in a way that this PyAV cannot read")
        yield Video(container, path)
