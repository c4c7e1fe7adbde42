"""Video and output files."""

import cv2
import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import export, predict
from vit_adapter.export import ExportedModel

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
    """One line names the file and says that it is a video, whatever its name claims, and what takes it."""
    varied_model().save_pretrained(tmp_path / "model")
    write_video(tmp_path / name, code)
    for claimed in (tmp_path / name, tmp_path / "photo.png"):
        if claimed.suffix == ".png":
            claimed.write_bytes((tmp_path / name).read_bytes())
        failures = predict(varied_model(), [claimed], tmp_path / "out", quiet=True)
        assert failures == [
            (
                str(claimed),
                f"{claimed}: a video, expected an image; predict takes it with --video, else extract its frames as "
                "images",
            )
        ]
    assert not (tmp_path / "out").exists()
    command = ["predict", tmp_path / "model", tmp_path / name, "--out", tmp_path / "out", "--quiet"]
    assert f"{tmp_path / name}: a video, expected an image" in refusal(capfd, *command)


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


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
def test_s68_sizes_frozen_into_the_graph(tmp_path, dynamic):
    """An exported file gives the model's labels for images of every size: in windows of its own size, or with
    `--dynamic` of the image's."""
    model, file = colour_model([RED, GREEN]), tmp_path / "model.onnx"
    photo = np.full((64, 64, 3), RED, np.uint8)
    photo[:, 20:] = GREEN
    Image.fromarray(photo).save(tmp_path / "photo.png")
    export(model, file, dynamic=dynamic, photo=tmp_path / "photo.png")
    for height, width in ((32, 96), (64, 64), (100, 150)):
        image = np.full((height, width, 3), RED, np.uint8)
        image[: height // 4 * 2, width // 8 * 4 :] = GREEN
        labels = ExportedModel(file, processor_only=True).labels(image)
        assert labels.shape == (height, width)
        np.testing.assert_array_equal(labels, model.predict(image, task="semantic").labels)
