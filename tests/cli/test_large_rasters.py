"""TIFF files that are read, labelled and written block by block."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from situations.making import BLUE, GREEN, RED, colour_model, varied_model
from vit_adapter.api import predict
from vit_adapter.api.large_rasters import block_side
from vit_adapter.api.result_form import ResultForm
from vit_adapter.config import ClassTable, InferenceConfig

PLACE = Affine(0.5, 0, 300000, 0, -0.5, 5000000)
PROTOCOL = InferenceConfig(crop=64, stride=42, multiple=None)
CLASSES = ClassTable(("ground", "water", "tree"), (1, 2, 7))


@pytest.fixture
def raster(tmp_path):
    """Noise of 300 x 420 pixels, a corner without values."""
    image = np.random.default_rng(0).integers(1, 256, (3, 300, 420), np.uint8)
    image[:, :70, :90] = 0
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=300, width=420, count=3, dtype="uint8",
        crs="EPSG:25832", transform=PLACE, nodata=0,
    ) as file:  # fmt: skip
        file.write(image)
    return tmp_path / "a.tif"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def read(path):
    with rasterio.open(path) as file:
        return file.read(), file.crs, file.transform, file.nodata


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("vit_adapter.api.large_rasters.block_side", lambda *_: 128)


@pytest.mark.slow
def test_blocks_give_what_the_whole_image_gives(tmp_path, raster, small_blocks):
    model = varied_model(protocol=PROTOCOL)
    asked = {"probabilities": 16, "confidence": True, "polygons": "geojson", "summary": True, "jsonl": True}
    assert predict(model, raster, tmp_path / "whole", quiet=True, **asked) == []
    assert predict(model, raster, tmp_path / "blocks", quiet=True, max_pixels=100_000, **asked) == []
    assert files(tmp_path / "blocks") == [
        "a_confidence.tif", "a_labels.tif", "a_overlay.png", "a_polygons.geojson", "a_probabilities.tif",
        "results.jsonl", "summary.csv",
    ]  # fmt: skip
    for kind in ("labels", "confidence", "probabilities"):
        whole, blocks = (read(tmp_path / name / f"a_{kind}.tif") for name in ("whole", "blocks"))
        assert whole[1:] == blocks[1:]
        valid = whole[0][0] != 255 if kind == "labels" else np.s_[:]
        difference = np.abs(whole[0].astype(int) - blocks[0].astype(int))
        if kind == "labels":
            assert (difference > 0).mean() < 1e-4
            assert (~valid).sum() == 70 * 90
        else:  # where there is nothing at all the blocks do not ask the model
            assert (difference[:, 140:] > 2).mean() == 0
    tables = [(tmp_path / name / "summary.csv").read_text().splitlines() for name in ("whole", "blocks")]
    cells = [[line.split(",")[4:7] for line in table] for table in tables]
    assert [row[:2] for row in cells[0]] == [row[:2] for row in cells[1]]
    assert cells[1][-1] == ["(no class)", "", str(70 * 90)]
    features = [
        json.loads((tmp_path / name / "a_polygons.geojson").read_text())["features"]
        for name in ("whole", "blocks")
    ]
    assert abs(len(features[0]) - len(features[1])) <= 2
    lines = [json.loads((tmp_path / name / "results.jsonl").read_text()) for name in ("whole", "blocks")]
    assert lines[1]["result"] == "a_labels.tif"
    assert lines[0]["classes"].keys() == lines[1]["classes"].keys()


def test_large_rasters_are_skipped_when_they_are_there(tmp_path, raster, small_blocks, capsys):
    model = colour_model([RED, BLUE, GREEN], PROTOCOL, CLASSES)
    asked = {"max_pixels": 100_000, "skip_existing": True, "summary": True}
    predict(model, raster, tmp_path / "out", **asked)
    table = (tmp_path / "out/summary.csv").read_text()
    assert "skipped" not in capsys.readouterr().out.replace(str(tmp_path), "")
    predict(model, tmp_path, tmp_path / "out", **asked)  # the results lie in the folder of the images
    assert "1 image skipped" in capsys.readouterr().out
    assert (tmp_path / "out/summary.csv").read_text() == table
    with Image.open(tmp_path / "out/a_overlay.png") as overlay:
        assert min(overlay.size) >= 300


@pytest.mark.parametrize(
    ("protocol", "settings", "reason"),
    [
        (InferenceConfig(mode="whole"), {}, "the protocol sees the whole image; --protocol.mode slide"),
        (
            InferenceConfig(crop=64, stride=42, resize=(64, 64)),
            {},
            "scales the whole image; --protocol.resize null",
        ),
        (PROTOCOL, {"protocol": {"flip": True}}, r"mirror images and scales \(tta\)"),
        (PROTOCOL, {"scores": True}, "--probabilities writes them by blocks"),
    ],
)
def test_what_needs_the_whole_image_is_said(tmp_path, raster, protocol, settings, reason):
    model = colour_model([RED, BLUE, GREEN], protocol, CLASSES)
    ((_, said),) = predict(model, raster, tmp_path / "out", max_pixels=100_000, quiet=True, **settings)
    assert "420x300 pixels are more than --max-pixels 100000" in said
    assert __import__("re").search(reason, said)
    assert not (tmp_path / "out").exists()


def test_a_damaged_raster_leaves_nothing(tmp_path, raster, small_blocks):
    content = raster.read_bytes()
    broken = tmp_path / "broken.tif"
    broken.write_bytes(content[: len(content) * 2 // 3])
    model = colour_model([RED, BLUE, GREEN], PROTOCOL, CLASSES)
    ((name, reason),) = predict(model, broken, tmp_path / "out", max_pixels=100_000, quiet=True)
    assert name == str(broken)
    assert "broken.tif" in reason
    assert not (tmp_path / "out").exists() or files(tmp_path / "out") == []


def test_blocks_are_small_for_many_classes():
    form = ResultForm()
    assert block_side(InferenceConfig(crop=512, stride=341), 3, form) == 4096
    many = block_side(InferenceConfig(crop=512, stride=341), 150, form)
    assert 1024 <= many < 1500
    assert many % 256 == 0


MEASURED = """
import resource, sys
sys.path[:0] = [{tests!r}]
from situations.making import BLUE, RED, colour_model
from vit_adapter.api import large_rasters, predict
from vit_adapter.config import InferenceConfig
large_rasters.LARGEST_SIDE = large_rasters.OVERVIEW_SIDE = 1024
model = colour_model([RED, BLUE], InferenceConfig(crop=512, stride=512, multiple=None))
predict(model, {small!r}, {out!r}, quiet=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
failures = predict(model, {large!r}, {out!r}, quiet=True, max_pixels=1_000_000)
print(len(failures), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_raster(tmp_path):
    """Blocks and overlay of a quarter of their usual sides: 75 MB more than for a small image; read whole 412 MB."""
    height, width = 3000, 3840
    for name, size in {"small": (64, 64), "large": (height, width)}.items():
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", height=size[0], width=size[1], count=3,
            dtype="uint8", crs="EPSG:25832", transform=PLACE, tiled=True, compress="deflate", zlevel=1,
        ) as file:  # fmt: skip
            for top in range(0, size[0], 256):
                rows = min(256, size[0] - top)
                strip = np.zeros((3, rows, size[1]), np.uint8)
                strip[0, :, : size[1] // 3], strip[2, :, size[1] // 3 :] = 255, 255
                file.write(strip, window=rasterio.windows.Window(0, top, size[1], rows))
    code = MEASURED.format(
        tests=str(Path(__file__).parents[1]),
        small=str(tmp_path / "small.tif"),
        large=str(tmp_path / "large.tif"),
        out=str(tmp_path / "out"),
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    failures, megabytes = map(int, done.stdout.split())
    assert failures == 0
    assert megabytes < 200, f"{megabytes} MB more than for an image of 64 x 64"
    with rasterio.open(tmp_path / "out/large_labels.tif") as file:
        assert (file.height, file.width) == (height, width)
        row = file.read(1, window=rasterio.windows.Window(0, 2000, width, 1))[0]
    np.testing.assert_array_equal(row, np.repeat([0, 1], [width // 3, width - width // 3]))
