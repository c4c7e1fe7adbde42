"""Prediction of many images: where results go, what is there already, areas, large images."""

import csv
import io
import os

import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import evaluate, predict
from vit_adapter.config import ClassTable, DataConfig, InferenceConfig, InputError

from .image_folders import below, labels_of, save
from .making import BLUE, GREEN, RED, colour_model, halves, refusal, save_pairs

HEADING = "Prediction of many images"
TITLES = {
    185: "A place that cannot be written, found at the end",
    186: "Results that exist already",
    189: "Areas of classes that do not occur",
    190: "A large image processed whole",
}


@pytest.fixture
def model():
    return colour_model([RED, BLUE])


@pytest.mark.slow
def test_s185_a_place_that_cannot_be_written(tmp_path, capfd, monkeypatch):
    """`--out` below a file, behind a broken link or with a name too long is refused before a model is loaded, data
    are read or anything is made, by every command that has one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    before = below(tmp_path)
    commands = [
        ["predict", "no-model", "no-image", "--out"],
        ["eval", "no-model", "--data.root", "no-data", "--out"],
        ["train", "--data.root", "no-data", "--out"],
        ["demo", "--out"],
        ["convert", "no-file", "--out"],
        ["convert", "--to-official", "no-folder", "--out"],
        ["data", "convert", "no-file.json", "--out"],
        ["data", "check", "no-data", "--sheet"],
    ]
    for words in commands:
        for place in ("file/x", "file/deep/x", "link/x", "y" * 300, f"new/{'y' * 300}"):
            line = refusal(capfd, *words, place)
            assert place in line, (words, line)
            assert any(
                text in line for text in ("is a file, expected a folder", "does not exist", "300 bytes")
            )
    assert below(tmp_path) == before
    for words in (*commands[:4], commands[6]):
        line = refusal(capfd, *words, "file")
        assert "file" in line, line
        assert "folder" in line, line
    for words in (commands[5], commands[7]):
        (tmp_path / "folder").mkdir(exist_ok=True)
        assert "a folder of that name exists" in refusal(capfd, *words, "folder")


def test_s185_no_right_to_write(tmp_path, model, monkeypatch):
    """A folder that may not be written is refused before the work, with the system's reason."""
    photo = save(tmp_path / "photos" / "a.png")
    opened = os.open

    def forbidden(path, flags, *mode, **settings):
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode, **settings)

    monkeypatch.setattr(os, "open", forbidden)
    monkeypatch.setattr(model, "predict", None)
    with pytest.raises(InputError, match=r"--out .*new/out: cannot be written: permission denied"):
        predict(model, [photo], tmp_path / "new" / "out", quiet=True)


def test_s186_only_whole_results_count(tmp_path, model, monkeypatch):
    """`--skip-existing` leaves an image alone when all files of its result are there, made of this image by this model
    with these settings; half a result, another image of the name and another model's result are made anew."""
    photos = save(tmp_path / "photos" / "a.png").parent
    for name, colour in (("b.png", BLUE), ("c.png", RED)):
        save(photos / name, colour)
    out = tmp_path / "out"
    done = []
    segment = model.predict

    def counted(pixels, **settings):
        done.append(tuple(pixels[0, 0].tolist()))
        return segment(pixels, **settings)

    monkeypatch.setattr(model, "predict", counted)

    def again(used=model, **settings):
        done.clear()
        assert predict(used, [photos], out, skip_existing=True, quiet=True, **settings) == []
        return len(done)

    assert again() == 3
    assert again() == 0
    (out / "a_overlay.png").unlink()
    assert again() == 1
    assert again(scores=True) == 3
    assert again(scores=True) == 0
    assert again() == 0  # more than is asked for
    rows = np.asarray(Image.open(photos / "b.png"))
    Image.fromarray(rows[..., ::-1]).save(photos / "b.png", compress_level=0)
    assert again() == 1
    Image.fromarray(rows).save(photos / "b.png", compress_level=0)  # the same name and the same size
    assert again() == 1
    assert (labels_of(out / "b_labels.png") == 1).all()
    assert again(overlay=False, alpha=0.9) == 0
    assert again(alpha=0.9) == 3
    assert again(alpha=0.9, threshold=0.3) == 3
    assert again(ids="contiguous", alpha=0.9, threshold=0.3) == 3
    other = colour_model([BLUE, RED])
    monkeypatch.setattr(other, "predict", other.predict)
    assert predict(other, [photos], out, skip_existing=True, quiet=True) == []
    assert (labels_of(out / "a_labels.png") == 1).all()


def test_s189_areas_of_classes_that_do_not_occur(tmp_path, capfd):
    """`summary.csv` has a row for every class of every image, with 0 pixels where it does not occur, so that means over
    images are right; also for images whose result was there already."""
    classes = ClassTable(("road", "sky, blue"), (7, 300))
    model = colour_model([RED, BLUE], classes=classes)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(halves(RED, BLUE, 32, 64)).save(photos / "half.png")
    save(photos / "s" / "sky.png", BLUE)
    texts = []
    for _ in range(2):
        settings = {"overlay": False, "summary": True, "skip_existing": True, "quiet": True}
        assert predict(model, [photos], tmp_path / "out", **settings) == []
        texts.append((tmp_path / "out" / "summary.csv").read_text())
    assert texts[0] == texts[1]
    rows = [list(row.values()) for row in csv.DictReader(io.StringIO(texts[0]))]
    assert rows == [
        [str(photos / "half.png"), "half_labels.png", "64", "32", "road", "7", "1024", "0.5"],
        [str(photos / "half.png"), "half_labels.png", "64", "32", "sky, blue", "300", "1024", "0.5"],
        [str(photos / "s" / "sky.png"), "s/sky_labels.png", "32", "32", "road", "7", "0", "0"],
        [str(photos / "s" / "sky.png"), "s/sky_labels.png", "32", "32", "sky, blue", "300", "1024", "1"],
    ]


def test_s190_a_large_image_handled_whole(tmp_path, monkeypatch, capfd):
    """A protocol that puts more than four megapixels through the model at once is warned of before it runs, with
    the way out; images within the limit are not."""
    model = colour_model([RED, GREEN], InferenceConfig(mode="whole"))
    photos = save(tmp_path / "photos" / "a.png", size=(64, 64)).parent
    assert predict(model, [photos], tmp_path / "out", overlay=False) == []
    assert capfd.readouterr().err.count("at once") == 0
    for name in ("b.png", "c.png"):
        save(photos / name, size=(2112, 2048))
    assert predict(model, [photos], tmp_path / "out", overlay=False) == []
    out, err = capfd.readouterr()
    assert err.count("at once") == 1
    assert "b.png: 2112x2048 pixels go through the model at once" in err
    assert "--protocol.mode slide" in err
    assert "2 images of more than 4 megapixels processed whole" in out


@pytest.mark.slow
def test_s190_large_images_measured_whole(tmp_path, capfd):
    """Evaluation warns of it, too."""
    masks = {name: np.zeros((2048, 2112), np.uint8) for name in ("p", "q")}
    root = save_pairs(tmp_path / "data", masks)
    mask = halves(0, 1, 2048, 2112)
    Image.fromarray(mask).save(root / "masks" / "p.png")
    model = colour_model([RED, BLUE], InferenceConfig(mode="whole"))
    evaluate(model, DataConfig(root=str(root)), quiet=True)
    err = capfd.readouterr().err
    assert err.count("2112x2048 pixels go through the model at once (protocol.mode whole)") == 1
    evaluate(model, DataConfig(root=str(root)), protocol={"mode": "slide", "crop": 2112}, quiet=True)
    assert "at once" not in capfd.readouterr().err
