"""The sound of a video in the video that is made of it."""

from fractions import Fraction

import numpy as np
import pytest

from vit_adapter.images.video_writing import video_writer

av = pytest.importorskip("av")
RATE, TONE = 16000, 440


def save_tone(path, codec, seconds=1.0):
    """A video of black frames, 10 a second, with a tone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream(codec, rate=RATE, layout="mono")
        for _ in range(int(10 * seconds)):
            black = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(black))
        container.mux(stream.encode(None))
        wave = np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * TONE / RATE)
        frame = av.AudioFrame.from_ndarray((wave[None] * 16000).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        context = audio.codec_context
        resampler = av.AudioResampler(context.format, "mono", RATE, context.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(audio.encode(part))
        container.mux(audio.encode(None))
    return path


def packets_of(path):
    """The bytes of the packets of the sound, and their times in seconds after the first frame."""
    with av.open(str(path)) as container:
        packets = [one for one in container.demux() if one.pts is not None]
        begin = min(float(one.pts * one.time_base) for one in packets if one.stream.type == "video")
        found = [one for one in packets if one.stream.type == "audio"]
        return [bytes(one) for one in found], [float(one.pts * one.time_base) - begin for one in found]


def heard(path):
    """Name of the coding, seconds, and the loudest frequency."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = [frame.to_ndarray().astype(float).reshape(-1) for frame in container.decode(stream)]
        wave, rate = np.concatenate(parts), stream.codec_context.sample_rate
        loudest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
        return stream.codec_context.name, len(wave) / rate, loudest


def written(path, source, frames=10):
    """A video of white frames with the sound of another one."""
    with video_writer(path, rate=Fraction(10), time_base=Fraction(1, 10), sound_of=source) as writer:
        for time in range(frames):
            writer.write(np.full((32, 32, 3), 255, np.uint8), time)
    return writer


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_sound_is_copied_as_it_is(tmp_path, ending):
    source = save_tone(tmp_path / "in.mp4", "aac")
    writer = written(tmp_path / f"out{ending}", source)
    assert writer.silence is None
    (ours, times), (theirs, their_times) = packets_of(tmp_path / f"out{ending}"), packets_of(source)
    assert ours == theirs
    assert times == pytest.approx(their_times, abs=2e-3)


def test_sound_is_coded_anew_where_the_file_cannot_hold_it(tmp_path):
    source = save_tone(tmp_path / "in.mp4", "aac")
    assert written(tmp_path / "out.webm", source).silence is None
    name, seconds, frequency = heard(tmp_path / "out.webm")
    assert name.removeprefix("lib") == "opus"
    assert seconds == pytest.approx(1, abs=0.15)
    assert frequency == pytest.approx(TONE, abs=5)


def test_sound_lies_among_the_frames(tmp_path):
    """A player that reads the file from its beginning gets both at once, not all sound at the end."""
    written(tmp_path / "out.mkv", save_tone(tmp_path / "in.mp4", "aac", 3.0), frames=30)
    with av.open(str(tmp_path / "out.mkv")) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.dts is not None]
    assert "audio" in kinds[: len(kinds) // 4]
    assert kinds[-len(kinds) // 3 :].count("video") > 1


def test_sound_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    writer = written(tmp_path / "out.mp4", tmp_path / "broken.mp4")
    assert "not a video that can be read" in writer.silence
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio
        assert len(list(container.decode(video=0))) == 10
