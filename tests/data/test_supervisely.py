"""Supervisely's projects."""

import base64
import io
import zlib

import numpy as np
import pytest
from converting import converted, save_json
from folders import save_image
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.data.conversion import convert

SIZE = (30, 40)
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]], np.uint8)


def _packed(mode="P", packed=True, size=None):
    """A ring as a PNG, as the tool's own library (a palette with transparency) or a browser (RGBA) makes it."""
    if mode == "P":
        image = Image.fromarray(RING, mode="P")
        image.putpalette([0, 0, 0, 255, 255, 255])
        more = {"transparency": 0}
    elif mode == "RGBA":
        image, more = Image.fromarray(np.stack([RING * 0] * 3 + [RING * 255], axis=-1)), {}
    else:
        image, more = Image.fromarray(RING * 255).convert(mode), {}
    if size is not None:
        image = Image.new("L", size, 255)
    stream = io.BytesIO()
    image.save(stream, "PNG", **more)
    content = stream.getvalue()
    return base64.b64encode(zlib.compress(content) if packed else content).decode()


def _bitmap(data, origin=(5, 6), label="ant"):
    return {"classTitle": label, "geometryType": "bitmap", "bitmap": {"data": data, "origin": list(origin)}}


def _points(kind, exterior, interior=(), label="bee"):
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": label, "geometryType": kind, "points": points}


def _save(tmp_path, objects, datasets=("ds",), name="a.png.json", size=SIZE):
    root = tmp_path / "set"
    classes = [{"title": title, "shape": "any", "color": "#FF0000"} for title in ("bee", "ant")]
    save_json(root / "meta.json", {"classes": classes, "tags": []})
    for seed, dataset in enumerate(datasets):
        save_image(root / dataset / "img/a.png", seed, SIZE)
        content = {"description": "", "size": {"height": size[0], "width": size[1]}, "objects": objects}
        save_json(root / dataset / "ann" / name, content)
    return root


@pytest.mark.parametrize("name", ["a.png.json", "a.json"])
def test_every_geometry_with_an_area(tmp_path, name):
    """Corners are numbers of pixels: a rectangle has those of both its corners; holes are cut."""
    hole = [[12, 12], [16, 12], [16, 16], [12, 16]]
    objects = [
        _bitmap(_packed()),
        _points("rectangle", [[20, 2], [29, 5]]),
        _points("polygon", [[10, 10], [20, 10], [20, 20], [10, 20]], [hole], "ant"),
    ]
    mask, objects, report = converted(_save(tmp_path, objects, name=name), tmp_path / "out")
    expected = np.zeros(SIZE, int)
    expected[6:10, 5:8] = RING * 2
    expected[2:6, 20:30] = 1
    ring = np.zeros(
        SIZE, bool
    )  # polygon from 10.5 to 20.5, hole from 12.5 to 16.5; centres on a border belong to it once
    ring[10:21, 10:21] = True
    ring[13:16, 13:16] = False
    seen = mask == 2
    seen[6:10, 5:8] = False
    assert not (seen & ~ring).any()
    assert seen.sum() == 10 * 10 - 4 * 4
    assert (mask == expected)[:10].all()
    assert len(np.unique(objects)) == 4
    assert report.classes == ["background", "bee", "ant"]


@pytest.mark.parametrize(
    ("mode", "packed"), [("P", True), ("RGBA", True), ("L", True), ("1", True), ("RGBA", False)]
)
def test_forms_of_bitmaps(tmp_path, mode, packed):
    mask, _, _ = converted(_save(tmp_path, [_bitmap(_packed(mode, packed))]), tmp_path / "out")
    assert (mask[6:10, 5:8] == RING * 2).all()
    assert (mask > 0).sum() == RING.sum()


def test_data_sets(tmp_path):
    """Those called like parts are parts; others keep their folders."""
    report = convert(_save(tmp_path, [_bitmap(_packed())], ("train", "val")), tmp_path / "out")
    assert report.parts == {"train": 1, "val": 1}
    second = tmp_path / "second"
    report = convert(_save(second, [_bitmap(_packed())], ("north", "south")), tmp_path / "other")
    assert (tmp_path / "other/masks/north/img/a.png").is_file()
    assert report.images == 2


def _bomb():
    """Ten kilobytes that would be ten megabytes."""
    return base64.b64encode(zlib.compress(b"\x89PNG\r\n\x1a\n" + bytes(10_000_000))).decode()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (_bitmap(_bomb()), "more than 70336 bytes, too many for 40x30"),
        (_bitmap(_packed(size=(4000, 4000))), "no PNG, or one larger than the image"),
        (_bitmap(_packed()[:40]), "ends too early|not base64"),
        (_bitmap("%%%"), "not base64"),
        (_bitmap(base64.b64encode(b"hello").decode()), "not packed by zlib"),
        (_bitmap(base64.b64encode(zlib.compress(b"hello")).decode()), "no PNG"),
        (_bitmap(_packed(), (38, 6)), "leaves the image"),
        (_bitmap(_packed(), (-1, 6)), "leaves the image"),
        (_bitmap(_packed(), ("x", 6)), "origin has 'x'"),
        (_bitmap(None), "without data or origin"),
        (_points("polygon", [[1, 1], [2, 2]]), "2 points"),
        (_points("polygon", None), "0 points"),
        (_points("rectangle", [[1, 1]]), "a rectangle of 1 points"),
        (_points("line", [[1, 1], [9, 9]]), "'line' has no area"),
        (_points("point", [[1, 1]]), "'point' has no area"),
        (_points("cuboid", []), "does not say which pixels"),
        (_points("helix", []), "geometry 'helix' is not known"),
        (_points("rectangle", [[1, 1], [2, 2]], label="wasp"), r"'wasp' is not in .*meta\.json"),
        ({}, "has no label"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, item, message):
    source = _save(tmp_path, [item])
    with pytest.raises(InputError, match=message) as caught:
        convert(source, tmp_path / "out")
    kinds = str(caught.value).rpartition("--skip ")[2]
    assert convert(source, tmp_path / "out", skip=kinds).objects == 0


def test_another_size_and_broken_files(tmp_path):
    source = _save(tmp_path, [], size=(40, 30))
    (source / "ds/ann/b.png.json").write_text("{")
    save_json(source / "ds/ann/c.png.json", {"shapes": []})
    with pytest.raises(InputError) as caught:
        convert(source, tmp_path / "out")
    for text in ("a.png: shows 40x30", "b.png.json: is not JSON", "c.png.json: has no list 'objects'"):
        assert text in str(caught.value)
