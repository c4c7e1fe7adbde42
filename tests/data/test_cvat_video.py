"""CVAT's XML for videos: tracks, key frames and what lies between them."""

from fractions import Fraction

import numpy as np
import pytest
from converting import converted
from folders import save_image
from PIL import Image

from vit_adapter.cli.main import main
from vit_adapter.config import InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.conversion.cvat import read_cvat
from vit_adapter.images import read_image

SIZE = (40, 60)
LABELS = "".join(f"<label><name>{name}</name></label>" for name in ("car", "dog"))


def box(frame, corners, outside=0, more=""):
    names = zip(("xtl", "ytl", "xbr", "ybr"), corners)
    sides = " ".join(f'{name}="{value}"' for name, value in names)
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" {sides} {more}/>'


def save_tracks(
    folder, tracks, frames=range(0), task="<start_frame>0</start_frame><stop_frame>9</stop_frame>"
):
    """``annotations.xml`` with tracks (label to shapes), and images of some frames."""
    text = "".join(
        f'<track id="{number}" label="{label}" source="manual">{shapes}</track>'
        for number, (label, shapes) in enumerate(tracks)
    )
    size = f"<original_size><width>{SIZE[1]}</width><height>{SIZE[0]}</height></original_size>"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "annotations.xml"
    file.write_text(
        f"<annotations><version>1.1</version><meta><task>{task}<labels>{LABELS}</labels>{size}</task>"
        f"<source>street.mp4</source></meta>{text}</annotations>"
    )
    for frame in frames:
        save_image(folder / f"images/frame_{frame:06d}.PNG", seed=frame, size=SIZE)
    return file


def test_boxes_move_evenly_between_key_frames(tmp_path):
    shapes = box(0, (0, 0, 10, 10)) + box(4, (8, 4, 18, 14)) + box(6, (8, 4, 18, 14), outside=1)
    file = save_tracks(tmp_path / "set", [("dog", shapes)], range(10))
    report = convert(file.parent, tmp_path / "out")
    assert report.images == 6  # the frames 0 to 5
    assert report.classes == ["background", "car", "dog"]
    assert any("frames without a shape: 4, not converted" in line for line in report.remarks)
    for frame in range(6):
        mask = np.asarray(Image.open(tmp_path / f"out/masks/frame_{frame:06d}.png"))
        left, top = 2 * min(frame, 4), min(frame, 4)
        expected = np.zeros(SIZE, int)
        expected[top : top + 10, left : left + 10] = 2
        assert (mask == expected).all(), frame


def test_a_track_without_an_end_lasts_until_the_task_ends(tmp_path):
    file = save_tracks(tmp_path / "set", [("car", box(7, (0, 0, 10, 10)))], range(10))
    assert convert(file, tmp_path / "out").images == 3


def test_a_track_that_leaves_and_comes_back(tmp_path):
    shapes = box(0, (0, 0, 9, 9)) + box(2, (0, 0, 9, 9), 1) + box(8, (20, 0, 29, 9)) + box(9, (20, 0, 29, 9))
    file = save_tracks(tmp_path / "set", [("car", shapes)], range(10))
    convert(file, tmp_path / "out")
    names = sorted(path.stem for path in (tmp_path / "out/masks").iterdir())
    assert names == ["frame_000000", "frame_000001", "frame_000008", "frame_000009"]


def test_outlines_and_turns_between_key_frames(tmp_path):
    """Corners move where there are as many in both; else the outline of the key frame before stays. Boxes turn the
    shorter way."""
    same = '<polygon frame="0" outside="0" points="0,0;10,0;10,10;0,10"/>' + (
        '<polygon frame="2" outside="0" points="20,0;30,0;30,10;20,10"/>'
    )
    other = '<polygon frame="0" outside="0" points="0,20;10,20;10,30;0,30"/>' + (
        '<polygon frame="2" outside="0" points="20,20;30,20;20,30"/>'
    )
    turning = box(0, (40, 10, 50, 20), 0, 'rotation="350"') + box(2, (40, 10, 50, 20), 0, 'rotation="10"')
    tracks = [("car", same), ("dog", other), ("car", turning)]
    file = save_tracks(tmp_path / "set", tracks, range(3), "<stop_frame>2</stop_frame>")
    mask, _, _ = converted(file, tmp_path / "out", "frame_000001")
    expected = np.zeros(SIZE, int)
    expected[0:10, 10:20] = 1
    expected[20:30, 0:10] = 2
    expected[10:20, 40:50] = 1
    assert (mask == expected).all()


def test_every_frame_that_is_listed_is_taken_as_it_is(tmp_path):
    """As CVAT itself exports them: all frames, with keyframe 0 or 1."""
    shapes = "".join(box(frame, (frame**2, 0, frame**2 + 5, 5)) for frame in range(4)) + box(
        4, (9, 0, 14, 5), 1
    )
    file = save_tracks(tmp_path / "set", [("car", shapes)], range(10))
    labelled = read_cvat([file], file)
    assert [image.names[0].stem for image in labelled.images] == [f"frame_00000{n}" for n in range(4)]
    mask, _, _ = converted(file, tmp_path / "out", "frame_000003")
    assert (np.flatnonzero(mask[0]) == np.arange(9, 14)).all()


def test_every_fifth_frame_of_a_task(tmp_path):
    task = "<start_frame>10</start_frame><stop_frame>30</stop_frame><frame_filter>step=5</frame_filter>"
    shapes = box(10, (0, 0, 10, 10)) + box(20, (20, 0, 30, 10))
    file = save_tracks(tmp_path / "set", [("car", shapes)], range(10, 31, 5), task)
    assert convert(file, tmp_path / "out").images == 5
    mask = np.asarray(Image.open(tmp_path / "out/masks/frame_000015.png"))
    assert (np.flatnonzero(mask[0]) == np.arange(10, 20)).all()


@pytest.mark.parametrize("named", [False, True])
def test_frames_come_out_of_the_video_where_there_are_no_files(tmp_path, named):
    """The video beside the XML that the XML names, or the one of --images."""
    pytest.importorskip("av")
    from vit_adapter.images.video_writing import video_writer

    file = save_tracks(tmp_path / "set", [("car", box(2, (0, 0, 10, 10)) + box(4, (0, 0, 10, 10), 1))])
    video = tmp_path / ("elsewhere.mp4" if named else "set/street.mp4")
    with video_writer(video, rate=Fraction(10), time_base=Fraction(1, 10)) as writer:
        for frame in range(6):
            writer.write(np.full((*SIZE, 3), 40 * frame, np.uint8), frame)
    report = convert(file, tmp_path / "out", images=video if named else None)
    assert report.images == 2
    for frame in (2, 3):
        image = read_image(tmp_path / f"out/images/frame_{frame:06d}.png")
        assert np.abs(image.astype(int) - 40 * frame).max() < 6
    assert (np.asarray(Image.open(tmp_path / "out/masks/frame_000003.png"))[:10, :10] == 1).all()


def test_a_video_that_is_too_short(tmp_path):
    pytest.importorskip("av")
    from vit_adapter.images.video_writing import video_writer

    file = save_tracks(tmp_path / "set", [("car", box(5, (0, 0, 10, 10)))])
    with video_writer(tmp_path / "set/street.mp4", rate=Fraction(10), time_base=Fraction(1, 10)) as writer:
        for frame in range(6):
            writer.write(np.zeros((*SIZE, 3), np.uint8), frame)
    with pytest.raises(
        InputError, match=r"frame 6: .*street\.mp4: has no frame 6, it ends after 6.*--skip missing"
    ):
        convert(file, tmp_path / "out")
    assert convert(file, tmp_path / "out", skip="missing").images == 1


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (box(0, (0, 0, 9, 9), 1), "no frame of its video shows an object"),
        (box("x", (0, 0, 9, 9)), "frame 'x', expected a number"),
        (box(10**8, (0, 0, 9, 9)), "frame 100000000, expected 0 to"),
        (box(0, ("nan", 0, 9, 9)), r"frame 0: track 0 \(car\): xtl 'nan', expected a number"),
    ],
)
def test_what_cannot_be_read(tmp_path, shapes, message):
    file = save_tracks(tmp_path / "set", [("car", shapes)], range(10))
    with pytest.raises(InputError, match=message):
        convert(file, tmp_path / "out")


@pytest.mark.parametrize(
    ("beside", "option"),
    [("images", ""), ("video", ""), ("nothing", " --images VIDEO")],
    ids=lambda x: x or "-",
)
def test_data_check_names_the_command(tmp_path, capsys, monkeypatch, beside, option):
    monkeypatch.chdir(tmp_path)
    save_tracks(
        tmp_path / "set", [("car", box(0, (0, 0, 9, 9)))], range(10) if beside == "images" else range(0)
    )
    if beside == "video":
        (tmp_path / "set/street.mp4").write_bytes(b"its content is not looked at")
    assert main(["data", "check", "set", "--sheet", ""]) == 2
    said = capsys.readouterr()
    line = said.out + said.err
    assert "set: holds CVAT annotations, no masks; this makes masks: " in line
    assert f"vit-adapter data convert set{option} --out set_masks" in line
