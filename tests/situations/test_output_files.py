"""Video and output files."""

import cv2
import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import predict

from .making import GREEN, RED, colour_model, refusal, varied_model


def write_video(path, code: str) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 12.5, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "code"), [("clip.avi", "MJPG"), ("clip.mp4", "mp4v"), ("clip.jpg.avi", "MJPG")]
)
def test_s72_a_video_where_a_photo_is_expected(tmp_path, capfd, name, code):
    """Video is not supported: one line names the file and says so, whatever its name claims."""
    varied_model().save_pretrained(tmp_path / "model")
    write_video(tmp_path / name, code)
    for claimed in (tmp_path / name, tmp_path / "photo.png"):
        if claimed.suffix == ".png":
            claimed.write_bytes((tmp_path / name).read_bytes())
        failures = predict(varied_model(), [claimed], tmp_path / "out", quiet=True)
        assert failures == [
            (
                str(claimed),
                f"{claimed}: a video; video is not supported, extract its frames as images first "
                "(predict takes it with --video)",
            )
        ]
    assert not (tmp_path / "out").exists()
    command = ["predict", tmp_path / "model", tmp_path / name, "--out", tmp_path / "out", "--quiet"]
    assert f"{tmp_path / name}: a video; video is not supported" in refusal(capfd, *command)


def test_s72_frames_as_images(tmp_path):
    """Frames are taken in the order of their names as text (`frame_10` before `frame_2`); each result has its
    frame's name, and nothing depends on the order."""
    (tmp_path / "frames").mkdir()
    for number in range(1, 11):
        frame = np.full((8, 20, 3), RED, np.uint8)
        frame[:, : 2 * number] = GREEN
        Image.fromarray(frame).save(tmp_path / "frames" / f"frame_{number}.png")
    model = colour_model([RED, GREEN])
    assert predict(model, [tmp_path / "frames"], tmp_path / "out", quiet=True) == []
    assert len(list((tmp_path / "out").glob("*_labels.png"))) == 10
    for number in range(1, 11):
        labels = np.asarray(Image.open(tmp_path / "out" / f"frame_{number}_labels.png"))
        alone = model.predict(tmp_path / "frames" / f"frame_{number}.png").labels
        np.testing.assert_array_equal(labels, alone)
    shares = [
        np.asarray(Image.open(tmp_path / "out" / f"frame_{number}_labels.png")).mean() for number in (2, 10)
    ]
    assert shares == [0.2, 1.0]
