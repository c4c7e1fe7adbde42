"""Files that other programs open: probabilities, confidence, polygons, GeoTIFF."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from situations.making import BLUE, GREEN, RED, colour_model, halves, refusal, varied_model
from vit_adapter.api import predict
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InputError
from vit_adapter.config.own_files import read_mark

PLACE = Affine(0.5, 0, 300000, 0, -0.5, 5000000)
CLASSES = ClassTable(("ground", "water", "tree"), (1, 2, 7), ((200, 100, 50), (0, 0, 255), (0, 128, 0)))


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(halves(RED, BLUE, 32, 64)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def save_raster(path, bands, **settings):
    """A GeoTIFF file of bands [N, H, W]."""
    settings = {"crs": "EPSG:25832", "transform": PLACE, **settings}
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=bands.dtype, **settings
    ) as raster:
        raster.write(bands)
    return path


def bands_of(image):
    return np.ascontiguousarray(image.transpose(2, 0, 1))


@pytest.mark.parametrize(("bits", "largest"), [(8, 255), (16, 65535)])
def test_probabilities_are_pages_of_a_file(tmp_path, bits, largest):
    model = varied_model()
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    predict(model, tmp_path / "a.png", tmp_path / "out", probabilities=bits, confidence=True, quiet=True)
    scores = model.predict(image).scores
    with Image.open(tmp_path / "out/a_probabilities.tif") as pages:
        assert pages.n_frames == 3
        found = []
        for index in range(3):
            pages.seek(index)
            found.append(np.asarray(pages))
    assert found[0].dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.abs(np.stack(found) / largest - scores).max() <= 0.51 / largest
    confidence = np.asarray(Image.open(tmp_path / "out/a_confidence.png"))
    assert np.abs(confidence / 255 - scores.max(axis=0)).max() <= 0.51 / 255


def test_results_are_skipped_as_far_as_the_asked_files_are_there(tmp_path, photo, capsys):
    model = colour_model([RED, BLUE])
    asked = {"probabilities": 8, "confidence": True, "polygons": "geojson", "skip_existing": True}
    predict(model, photo, tmp_path / "out", **asked)
    predict(model, photo, tmp_path / "out", **asked)
    assert "1 image skipped" in capsys.readouterr().out
    predict(model, photo, tmp_path / "out", **{**asked, "probabilities": 16})
    assert "1 image skipped" not in capsys.readouterr().out
    (tmp_path / "out/a_polygons.geojson").unlink()
    predict(model, photo, tmp_path / "out", **{**asked, "probabilities": 16})
    assert (tmp_path / "out/a_polygons.geojson").is_file()
    assert files(tmp_path / "out") == [
        "a_confidence.png", "a_labels.png", "a_overlay.png", "a_polygons.geojson", "a_probabilities.tif",
    ]  # fmt: skip
    predict(model, tmp_path, tmp_path / "again", quiet=True)  # no result is taken for an image
    assert files(tmp_path / "again") == ["a_labels.png", "a_overlay.png"]


def test_files_of_others_are_not_overwritten(tmp_path, photo):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a_polygons.json").write_text('{"info": {}}')
    ((_, reason),) = predict(colour_model([RED, BLUE]), photo, tmp_path / "out", polygons="coco", quiet=True)
    assert "a_polygons.json: exists already and is not a result of vit-adapter" in reason
    assert files(tmp_path / "out") == ["a_polygons.json"]


def test_a_georeferenced_image_keeps_its_place(tmp_path):
    image = halves(RED, BLUE, 32, 64)
    image[:8, :8] = 0
    save_raster(tmp_path / "a.tif", bands_of(image), nodata=0)
    model = colour_model([RED, BLUE, GREEN], classes=CLASSES)
    assert predict(
        model, tmp_path / "a.tif", tmp_path / "out", probabilities=8, confidence=True, polygons="geojson",
        quiet=True,
    ) == []  # fmt: skip
    with rasterio.open(tmp_path / "out/a_labels.tif") as raster:
        assert raster.crs == "EPSG:25832"
        assert raster.transform == PLACE
        assert raster.nodata == 255
        assert raster.colormap(1)[2] == (0, 0, 255, 255)
        values = raster.read(1)
    expected = halves(1, 2, 32, 64)
    expected[:8, :8] = 255
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a_labels.png")), expected)
    with rasterio.open(tmp_path / "out/a_probabilities.tif") as raster:
        assert (raster.crs, raster.transform) == ("EPSG:25832", PLACE)
        assert raster.descriptions == CLASSES.names
        assert (raster.read().argmax(axis=0) + 1 == values)[8:].all()
    with rasterio.open(tmp_path / "out/a_confidence.tif") as raster:
        assert raster.transform == PLACE
    polygons = json.loads((tmp_path / "out/a_polygons.geojson").read_text())
    (longitude, latitude) = polygons["features"][0]["geometry"]["coordinates"][0][0]
    assert (round(longitude, 1), round(latitude, 1)) == (6.5, 45.1)
    for file in files(tmp_path / "out"):
        assert read_mark(tmp_path / "out" / file) is not None


def test_without_rasterio_one_line_says_what_is_lost(tmp_path, monkeypatch, capsys):
    for name in "ab":
        save_raster(tmp_path / f"{name}.tif", bands_of(halves(RED, BLUE, 32, 64)))
    monkeypatch.setattr("vit_adapter.api.reading_ahead.has_rasterio", lambda: False)
    assert predict(colour_model([RED, BLUE]), tmp_path, tmp_path / "out", overlay=False, quiet=True) == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: 2 images are georeferenced")
    assert "transform, coordinate system and nodata" in line
    assert "vit-adapter[geo]" in line
    assert files(tmp_path / "out") == ["a_labels.png", "b_labels.png"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_are_chosen(tmp_path, dtype):
    """Blue, green, red and infrared, as satellites store them; 12 bits of 16 by the known range."""
    image = halves(RED, BLUE, 32, 64)
    bands = np.concatenate([bands_of(image)[::-1], np.full((1, 32, 64), 77, np.uint8)]).astype(dtype)
    settings = {}
    if dtype == np.uint16:
        bands, settings = bands * 16 + bands // 16, {"protocol": {"value_range": [0, 4095]}}
    save_raster(tmp_path / "a.tif", bands)
    model = colour_model([RED, BLUE], classes=ClassTable(("road", "sky"), (4, 9)))
    assert predict(model, tmp_path / "a.tif", tmp_path / "out", bands=(3, 2, 1), quiet=True, **settings) == []
    labels = np.asarray(Image.open(tmp_path / "out/a_labels.png"))
    np.testing.assert_array_equal(labels, halves(4, 9, 32, 64))
    assert predict(model, tmp_path / "a.tif", tmp_path / "out", bands=(1, 2, 3), quiet=True, **settings) == []
    labels = np.asarray(Image.open(tmp_path / "out/a_labels.png"))
    np.testing.assert_array_equal(labels, halves(9, 4, 32, 64))
    ((_, reason),) = predict(model, tmp_path / "a.tif", tmp_path / "out", bands=(5, 2, 1), quiet=True)
    assert "bands 5,2,1 of an image of shape 32x64x4; expected numbers from 1 to 4" in reason


def test_what_cannot_be_asked_is_refused_in_one_line(tmp_path, photo, capfd, monkeypatch):
    model = colour_model([RED, BLUE])
    with pytest.raises(InputError, match=r"--bands 1,2: 2 bands, but the model takes 3 channels"):
        predict(model, photo, tmp_path / "out", bands=(1, 2), quiet=True)
    with pytest.raises(InputError, match="--probabilities 12: expected 8 or 16 bits"):
        predict(model, photo, tmp_path / "out", probabilities=12, quiet=True)  # pyright: ignore
    varied_model("mask2former").save_pretrained(tmp_path / "model")
    words = ("predict", tmp_path / "model", photo, "--out", tmp_path / "out")
    assert "--bands x: expected numbers of bands" in refusal(capfd, *words, "--bands", "x")
    assert "--confidence: is for the task semantic, not for instance" in refusal(
        capfd, *words, "--task", "instance", "--confidence"
    )
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    assert "pip install 'vit-adapter[geo]'" in refusal(capfd, *words, "--polygons", "coco")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_objects_and_segments_as_polygons_by_the_command_line(tmp_path, photo):
    model = varied_model("mask2former")
    model.classes = replace(model.classes, is_thing=(True, False, True))
    model.save_pretrained(tmp_path / "model")
    for task in ("instance", "panoptic"):
        words = [
            "predict",
            tmp_path / "model",
            photo,
            "--task",
            task,
            "--score-threshold",
            0,
            "--min-area",
            0,
        ]
        out = tmp_path / task
        assert main([str(word) for word in [*words, "--out", out, "--polygons", "coco", "--quiet"]]) == 0
        kind = "objects" if task == "instance" else "panoptic"
        table = json.loads((out / f"a_{kind}.json").read_text())["annotations"]
        table = table if task == "instance" else table[0]["segments_info"]
        polygons = json.loads((out / "a_polygons.json").read_text())["annotations"]
        assert len(table) > 0
        assert [one["area"] for one in polygons] == [one["area"] for one in table]
