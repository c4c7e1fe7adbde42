"""``predict --video`` with real files, written and read by PyAV."""

import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from situations.making import BLUE, GREEN, RED, colour_model, command, refusal, varied_model
from vit_adapter.api import predict_video
from vit_adapter.config import ClassTable, InputError
from vit_adapter.images.video_reading import opened_video

COLOURS = ((255, 0, 0), (0, 0, 255), (0, 255, 0))
CLASSES = ClassTable(("red", "blue", "green"), (3, 9, 200), COLOURS)
RATE = Fraction(30000, 1001)


def moving_edge(index: int, size=(64, 96)) -> np.ndarray:
    """Blue comes in from the left, 8 pixels a frame."""
    image = np.empty((*size, 3), np.uint8)
    image[:] = RED
    image[:, : 8 * (index + 1)] = BLUE
    return image


def save_video(
    path,
    frames,
    *,
    rate=RATE,
    rotation=0,
    sound=False,
    codec="libx264",
    times=None,
    ratio=None,
    form="yuv420p",
):
    """A video without loss but for its colour form, with a key frame every fourth."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = form
        if codec == "libx264":
            stream.options = {"crf": "0", "g": "4"}
        if rotation:
            stream.set_display_rotation(rotation)
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate = 8000
            container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return path


def frames_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert container.streams[0] is stream
        frames = list(container.decode(stream))
        return [frame.to_ndarray(format="rgb24") for frame in frames], stream, frames


@pytest.fixture
def video(tmp_path):
    return save_video(tmp_path / "in.mp4", [moving_edge(index) for index in range(10)], sound=True)


@pytest.fixture
def model():
    return colour_model([RED, BLUE, GREEN], classes=CLASSES)


def test_every_frame_is_segmented_and_keeps_its_time(tmp_path, video, model, capsys, monkeypatch):
    together = []
    of_model = model.predict
    monkeypatch.setattr(
        model, "predict", lambda images, **rest: together.append(len(images)) or of_model(images, **rest)
    )
    report = predict_video(model, video, tmp_path / "out.mp4", tmp_path / "frames", alpha=1.0)
    assert (report.frames, report.problem) == (10, None)
    assert together == [4, 4, 2]
    said = capsys.readouterr()
    assert said.out.startswith("10 frames: ")
    assert "sound" not in said.err
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1
    images, stream, frames = frames_of(tmp_path / "out.mp4")
    assert (stream.average_rate, stream.width, stream.height) == (RATE, 96, 64)
    _, _, before = frames_of_video_only(video)
    assert [frame.time for frame in frames] == pytest.approx([frame.time for frame in before], abs=1e-4)
    names = [f"frame_{number:06d}_labels.png" for number in range(1, 11)]
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == names
    for index, (name, image) in enumerate(zip(names, images, strict=True)):
        expected = np.where((moving_edge(index) == BLUE).all(axis=2), 9, 3)
        labels = np.asarray(Image.open(tmp_path / "frames" / name))
        np.testing.assert_array_equal(labels, expected)
        shown = np.array([0, 0, 255]) if expected[32, 40] == 9 else np.array([255, 0, 0])
        assert np.abs(image[32, 40].astype(int) - shown).max() < 12  # the colours come back as they were


def frames_of_video_only(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return None, stream, list(container.decode(stream))


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_turned_videos_are_seen_and_written_upright(tmp_path, model, degrees):
    """A telephone stores frames lying, and how they are to be turned."""
    upright = np.empty((96, 64, 3), np.uint8)
    upright[:48], upright[48:] = RED, BLUE
    stored = np.ascontiguousarray(np.rot90(upright, -degrees // 90))
    save_video(tmp_path / "in.mp4", [stored] * 3, rotation=degrees)
    predict_video(model, tmp_path / "in.mp4", tmp_path / "out.mp4", tmp_path / "frames", quiet=True)
    labels = np.asarray(Image.open(tmp_path / "frames/frame_000001_labels.png"))
    np.testing.assert_array_equal(labels, np.where((upright == BLUE).all(axis=2), 9, 3))
    _, stream, frames = frames_of(tmp_path / "out.mp4")
    assert (stream.height, stream.width, frames[0].rotation) == (*upright.shape[:2], 0)


def test_uneven_times_and_wide_pixels_are_kept(tmp_path, model):
    times = [0, 40, 200, 210, 1000]
    save_video(
        tmp_path / "in.mp4", [moving_edge(index) for index in range(5)], rate=Fraction(25), times=times,
        ratio=Fraction(4, 3),
    )  # fmt: skip
    predict_video(model, tmp_path / "in.mp4", tmp_path / "out.mp4", quiet=True)
    _, stream, frames = frames_of(tmp_path / "out.mp4")
    assert [frame.time for frame in frames] == pytest.approx([time / 1000 for time in times], abs=2e-3)
    assert stream.sample_aspect_ratio == Fraction(4, 3)


def test_odd_sides_lose_a_pixel_and_other_endings_work(tmp_path, model):
    odd = [moving_edge(index, (51, 77)) for index in range(3)]
    save_video(tmp_path / "in.mkv", odd, codec="ffv1", form="yuv444p")
    for name in ("out.mkv", "out.mov", "out.avi", "out.webm"):
        report = predict_video(model, tmp_path / "in.mkv", tmp_path / name, quiet=True)
        images, _, _ = frames_of(tmp_path / name)
        assert report.frames == len(images) == 3
        assert images[0].shape == (50, 76, 3)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
def test_every_task_by_the_command_line(tmp_path, video, capfd, task):
    made = varied_model("mask2former")
    made.classes = ClassTable(("red", "blue", "green"), (3, 9, 200), COLOURS, is_thing=(True, False, True))
    made.save_pretrained(tmp_path / "model")
    words = ("predict", tmp_path / "model", "--video", video, "-o", tmp_path / "out.mp4", "--task", task)
    code, out, _ = command(capfd, *words, "--out", tmp_path / "frames")
    assert code == 0
    assert out.startswith("10 frames: ")
    first = {"semantic": "labels", "instance": "objects", "panoptic": "panoptic"}[task]
    assert len(list((tmp_path / "frames").glob(f"frame_*_{first}.png"))) == 10
    assert len(frames_of(tmp_path / "out.mp4")[0]) == 10


def test_what_is_no_video_is_refused_before_the_model_is_loaded(tmp_path, video, capfd):
    (tmp_path / "text.mp4").write_bytes(b"no video\n" * 200)
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:5,\n{video}\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {video}\n")
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:700])
    Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    reasons = {
        "none.mp4": "no such file",
        "text.mp4": "not a video that can be read",
        "list.mp4": "not a video that can be read",
        "concat.mp4": "not a video that can be read",
        "cut.mp4": "not a video that can be read",
        "image.png": "not a video that can be read",
        "sound.m4a": "has no video stream (but audio)",
    }
    for name, reason in reasons.items():
        words = ("predict", tmp_path / "no_model", "--video", tmp_path / name, "-o", tmp_path / "o.mp4")
        assert reason in refusal(capfd, *words), name
    assert not (tmp_path / "o.mp4").exists()


def test_what_cannot_be_written_is_refused_before_the_model_is_loaded(tmp_path, video, capfd, monkeypatch):
    words = ("predict", tmp_path / "no_model", "--video", video)
    (tmp_path / "file").write_text("")
    for more, reason in [
        ((), "nothing to write: name a video"),
        (("-o", tmp_path / "out.xyz"), "expected a name that ends with .mp4"),
        (("-o", tmp_path / "file/out.mp4"), "is a file, expected a folder"),
        (("-o", video), "is the video itself"),
        (("-o", tmp_path / "o.mp4", "--summary"), "--summary: is for images, not for --video"),
        (("-o", tmp_path / "o.mp4", "--devices", "2"), "--devices: is for images, not for --video"),
        (("-o", tmp_path / "o.mp4", "--nodes", "2"), "--nodes: is for images, not for --video"),
        (("-o", tmp_path / "o.mp4", "--max-pixels", "9"), "--max-pixels: is for images, not for --video"),
        (("-o", tmp_path / "o.mp4", "--probabilities", "8"), "--probabilities: is for images"),
    ]:
        assert reason in refusal(capfd, *words, *more)
    assert "IMAGES: is for images" in refusal(
        capfd, "predict", "m", "a.png", "--video", video, "-o", tmp_path / "o.mp4"
    )
    assert "-o out.mp4: is for --video" in refusal(capfd, "predict", "m", "a.png", "-o", "out.mp4")
    monkeypatch.setattr(av, "codecs_available", set())
    assert "has no encoder libx264" in refusal(capfd, *words, "-o", tmp_path / "out.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install 'vit-adapter[video]'" in refusal(capfd, *words, "-o", tmp_path / "out.mp4")


def test_a_file_that_is_cut_off_gives_what_there_is(tmp_path, model, capsys):
    whole = save_video(tmp_path / "whole.mkv", [moving_edge(index) for index in range(10)])
    content = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) * 6 // 10])
    report = predict_video(model, tmp_path / "cut.mkv", tmp_path / "out.mp4", quiet=True)
    assert 0 < report.frames < 10
    assert len(frames_of(tmp_path / "out.mp4")[0]) == report.frames
    if report.problem is not None:
        assert report.problem in capsys.readouterr().err


def test_damaged_frames_are_left_out_and_said(tmp_path, model, capsys):
    """The bytes of frames 5 to 8, a whole group, are noise; the frames before and after are kept."""
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(12)]
    whole = save_video(tmp_path / "whole.mp4", noisy)
    with av.open(str(whole)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(whole.read_bytes())
    for position, size in places[4:8]:
        content[position : position + size] = rng.bytes(size)
    (tmp_path / "damaged.mp4").write_bytes(content)
    report = predict_video(model, tmp_path / "damaged.mp4", tmp_path / "out.mp4", quiet=True)
    assert 4 <= report.frames < 12
    assert "are kept" in (report.problem or "")
    assert report.problem in capsys.readouterr().err
    assert len(frames_of(tmp_path / "out.mp4")[0]) == report.frames


def test_nothing_is_left_of_a_video_that_fails_on_the_way(tmp_path, video, model, monkeypatch):
    of_model, calls = model.predict, []

    def fails(images, **rest):
        calls.append(1)
        if len(calls) == 2:
            raise InputError("weights are damaged")
        return of_model(images, **rest)

    monkeypatch.setattr(model, "predict", fails)
    (tmp_path / "out.mp4").write_bytes(b"of before")
    with pytest.raises(InputError, match="weights are damaged"):
        predict_video(model, video, tmp_path / "out.mp4", quiet=True)
    assert (tmp_path / "out.mp4").read_bytes() == b"of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


SLOW = """
import sys, time
sys.path[:0] = [{tests!r}]
from situations.making import BLUE, RED, colour_model
from vit_adapter.cli import main as command_line
model = colour_model([RED, BLUE])
of_model = model.predict
def slow(images, **rest):
    print("working", flush=True)
    time.sleep(0.3)
    return of_model(images, **rest)
model.predict = slow
from vit_adapter.api import segmenter_predictor
segmenter_predictor.load_named = lambda *_: (model, None)
sys.exit(command_line.main(["predict", "model", "--video", {video!r}, "-o", {out!r}, "--batch-size", "1"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_half_written_file(tmp_path, video, number, code):
    program = SLOW.format(
        tests=str(Path(__file__).parents[1]), video=str(video), out=str(tmp_path / "out.mp4")
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().strip() == "working"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_times_go_up_where_a_file_has_none(tmp_path, video):
    with opened_video(video) as opened:
        times = [frame.time for frame in opened.read()]
        assert opened.frames == 10
    assert times == sorted(set(times))
