"""The sound of a video on its way into another file. Needs PyAV, the extra "video"."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError

from .video_reading import open_container

ENCODERS = {".webm": "libopus", ".avi": "libmp3lame"}
"""Of sound that a kind of file cannot hold as it is, for kinds whose own choice is another."""
USUAL_ENCODER = "aac"


class Sound:
    """The first sound track of a file, copied as it is where the other file can hold it, else coded anew.

    Args:
        path: The file with the sound.
        target: The container that is written; nothing is in it yet.
        ending: Of its name.

    Attributes:
        problem: Why the rest of the sound is missing, in words; None: it is not.

    Raises:
        InputError: The file cannot be opened.
    """

    def __init__(self, path: Path, target: Any, ending: str) -> None:
        self._target, self.problem = target, None
        self._stack = ExitStack()
        source = self._stack.enter_context(open_container(path))
        self._stream: Any = source.streams.audio[0]
        self._copied = self._stream.codec_context.name in target.supported_codecs
        if self._copied:
            self._out: Any = target.add_stream_from_template(self._stream)
        else:
            encoder = ENCODERS.get(ending, USUAL_ENCODER)
            rate = 48000 if encoder == "libopus" else self._stream.codec_context.sample_rate
            self._out = target.add_stream(encoder, rate=rate, layout=self._stream.codec_context.layout.name)
        self._parts = self._copies(source) if self._copied else self._coded(source)
        self._next: tuple[Fraction, Any] | None = None

    def write_until(self, seconds: Fraction | None) -> None:
        """Adds what is heard before a time; None: all the rest. What cannot be read any more is missing."""
        from av.error import FFmpegError

        while self.problem is None:
            try:
                self._next = self._next or next(self._parts, None)
            except FFmpegError as error:
                self.problem = error.strerror or str(error)
                return
            if self._next is None or (seconds is not None and self._next[0] >= seconds):
                return
            self._target.mux(self._next[1])
            self._next = None

    def close(self) -> None:
        """Closes the file with the sound."""
        self._stack.close()

    def _copies(self, source: Any) -> Iterator[tuple[Fraction, Any]]:
        """Packets as they are, with their times in seconds."""
        for packet in source.demux(self._stream):
            if packet.dts is not None:  # the last one is empty
                begin = packet.dts * packet.time_base
                packet.stream = self._out
                yield begin, packet

    def _coded(self, source: Any) -> Iterator[tuple[Fraction, Any]]:
        """Packets of the other coding, with the times in seconds of what was read for them."""
        import av

        context = self._out.codec_context
        if not context.is_open:  # it is once the head of the file was written
            context.open()
        resampler = av.AudioResampler(
            context.format, context.layout, context.rate, context.frame_size or None
        )
        begin = Fraction(0)
        for frame in source.decode(self._stream):
            begin = Fraction(frame.time or begin).limit_denominator(1_000_000)
            for part in resampler.resample(frame):
                for packet in self._out.encode(part):
                    yield begin, packet
        for part in resampler.resample(None):
            for packet in self._out.encode(part):
                yield begin, packet
        for packet in self._out.encode(None):
            yield begin, packet


def open_sound(path: Path, target: Any, ending: str) -> tuple[Sound | None, str | None]:
    """The sound of a file, or why it cannot be had; arguments are those of ``Sound``."""
    from av.error import FFmpegError

    try:
        return Sound(path, target, ending), None
    except (FFmpegError, InputError, ValueError, AttributeError) as error:
        # A coding that this FFmpeg does not know has no context.
        return None, " ".join(str(error).split())
