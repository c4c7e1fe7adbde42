"""Label Studio's JSON and JSON-MIN."""

import json

import numpy as np
import pytest
from converting import converted, inside, save_json, turned
from folders import save_image

from vit_adapter.config import InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.conversion.brush import brush_mask

SIZE = (50, 80)
# A mask of 6 x 9 pixels whose colours are noise, packed by encode_rle of label-studio-sdk 2.1.2.
PACKED = """
0 0 0 216 57 27 254 43 0 1 32 5 16 41 128 255 2 152 11 32 55 128 255 1 40 15 0 0 0 255 0 76 15 144 60 64 255 1 48 2 48
20 0 255 190 0 4 40 11 224 32 1 254 0 184 19 96 84 129 255 24 0 6 160 77 129 66 7 248 7 224 38 0 248 7 253 240 0 52 64
233 1 180 15 240 61 0 194 1 76 15 240 56 0 98 0 104 15 240 37 192 217 2 160 15 240 25 0 230 1 232 15 252 86 0 1 88 28
64 123 1 255 135 192 0
"""
PACKED = [int(word) for word in PACKED.split()]
BRUSHED = ["000000000", "001111100", "001101100", "001111100", "000000000", "100000000"]


def _region(label, kind="polygonlabels", size=SIZE, id_="r1", **value):
    value[kind] = [label]
    return {
        "id": id_,
        "type": kind,
        "original_width": size[1],
        "original_height": size[0],
        "image_rotation": 0,
        "value": value,
    }


def _save(
    tmp_path, regions, image="/data/upload/1/0a1b2c3d-a.png", file="a.png", size=SIZE, minimal=False, **more
):
    save_image(tmp_path / "set/images" / file, size=size)
    if minimal:
        values = [{**r["value"], **{k: r[k] for k in ("original_width", "original_height")}} for r in regions]
        task = {"id": 1, "image": image, "label": values, "annotator": 1}
    else:
        task = {
            "id": 1,
            "data": {"image": image},
            "annotations": [{"id": 5, "result": regions}],
            "predictions": [],
        }
    return save_json(tmp_path / "set/export.json", [{**task, **more}])


def _rectangle(turn=0.0, x=25, y=20, width=50, height=40):
    return _region("ant", "rectanglelabels", x=x, y=y, width=width, height=height, rotation=turn)


class TestBrush:
    def test_what_label_studio_packed(self):
        expected = np.array([[int(letter) for letter in row] for row in BRUSHED], bool)
        assert (brush_mask(PACKED, (6, 9)) == expected).all()

    def test_every_cut_is_noticed(self):
        for count in range(len(PACKED) - 1):
            with pytest.raises(InputError, match="end too early"):
                brush_mask(PACKED[:count], (6, 9))

    @pytest.mark.parametrize(
        ("packed", "size", "message"),
        [
            (PACKED, (6, 8), "of 216 values, expected height x width x 4 = 192"),
            ([255] * 200, (6, 9), "of 4294967295 values"),
            ([*PACKED[:4], 255, *PACKED[5:]], (6, 9), "values of 32 bits"),
            ([*PACKED[:-1], 256], (6, 9), "not bytes"),
            ([*PACKED[:-1], "x"], (6, 9), "not bytes"),
            # A block that repeats a value more often than there is room for.
            (
                [0, 0, 0, 216, 0x39, 0x1B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
                (6, 9),
                "more than the 216 values",
            ),
        ],
    )
    def test_hostile(self, packed, size, message):
        with pytest.raises(InputError, match=message):
            brush_mask(packed, size)


@pytest.mark.parametrize("minimal", [False, True])
def test_every_region_with_an_area(tmp_path, minimal):
    """Percents become pixels; later regions lie above; the image is found without the prefix of its upload."""
    regions = [
        _region("zebra", points=[[10, 10], [60, 10], [60, 50], [10, 50]], closed=True),
        _region("café", "ellipselabels", id_="r2", x=75, y=70, radiusX=20, radiusY=20, rotation=0),
        _region("ant", "rectanglelabels", id_="r3", x=0, y=0, width=25, height=20, rotation=0),
    ]
    mask, objects, report = converted(_save(tmp_path, regions, minimal=minimal), tmp_path / "out")
    assert report.classes == ["background", "ant", "café", "zebra"]
    expected = np.zeros(SIZE, int)
    expected[5:25, 8:48], expected[:10, :20] = 3, 1
    ellipse = inside(SIZE, lambda x, y: ((x - 60) / 16) ** 2 + ((y - 35) / 10) ** 2 < 1)
    clear = inside(SIZE, lambda x, y: abs(((x - 60) / 16) ** 2 + ((y - 35) / 10) ** 2 - 1) > 0.15)
    assert (mask == np.where(ellipse, 2, expected))[clear].all()
    assert len(np.unique(objects)) == 4


def test_a_brush_and_a_polygon(tmp_path):
    small = _region("ant", "brushlabels", size=(6, 9), format="rle", rle=PACKED)
    mask, objects, _ = converted(_save(tmp_path, [small], size=(6, 9)), tmp_path / "out")
    assert ["".join(map(str, row)) for row in mask.tolist()] == BRUSHED
    assert (objects == mask).all()


def test_a_turned_rectangle(tmp_path):
    """It turns clockwise about its upper left corner, in pixels, not in percents."""
    mask, _, _ = converted(_save(tmp_path, [_rectangle(40)]), tmp_path / "out")

    def within(margin):
        def test(x, y):
            a, b = turned(x, y, (20, 10), 40)
            return (a > 20 - margin) & (a < 60 + margin) & (b > 10 - margin) & (b < 30 + margin)

        return inside(SIZE, test)

    assert (mask[within(-0.7)] == 1).all()
    assert (mask[~within(0.7)] == 0).all()
    assert mask[25, 25] == 1


def test_labels_of_a_tag_of_their_own(tmp_path):
    """Regions without labels get those of the result with the same id."""
    shape = _region("", "rectangle", x=0, y=0, width=50, height=50, rotation=0)
    del shape["value"]["rectangle"]
    labels = {**_region("ant", "labels"), "value": {**shape["value"], "labels": ["ant"]}}
    report = convert(_save(tmp_path, [shape, labels]), tmp_path / "out")
    assert (report.classes, report.objects) == (["background", "ant"], 1)


def test_key_points(tmp_path):
    file = _save(tmp_path, [_region("ant", "keypointlabels", x=50, y=50, width=0.5)])
    with pytest.raises(InputError, match=r"region 1.*'point' has no area"):
        convert(file, tmp_path / "out")
    mask, _, _ = converted(file, tmp_path / "out", line_width=6)
    assert ((mask > 0) == inside(SIZE, lambda x, y: np.hypot(x - 40, y - 25) <= 3)).all()


def test_which_annotation_counts(tmp_path):
    """Cancelled ones and predictions do not; of several the one that is marked, else the first, and the others are
    named."""
    first, second = (
        {"id": n, "result": [_region(label, points=[[0, 0], [50, 0], [50, 50]])]}
        for n, label in ((1, "ant"), (2, "bee"))
    )
    cancelled = {**second, "id": 3, "was_cancelled": True}
    file = _save(tmp_path, [], annotations=[first, second, cancelled], predictions=[second])
    with pytest.raises(InputError, match="annotation 2 is beside annotation 1"):
        convert(file, tmp_path / "out")
    assert convert(file, tmp_path / "out", skip="double").classes == ["background", "ant"]
    file = _save(tmp_path, [], annotations=[first, {**second, "ground_truth": True}])
    assert convert(file, tmp_path / "other", skip="double").classes == ["background", "bee"]


def test_tasks_without_an_annotation(tmp_path):
    file = _save(tmp_path, [_rectangle()])
    tasks = json.loads(file.read_text())
    tasks.append({"id": 2, "data": {"image": "/data/upload/b.png"}, "annotations": []})
    save_json(file, tasks)
    report = convert(file, tmp_path / "out")
    assert report.images == 1
    assert "tasks without an annotation: 1, not converted" in str(report)


@pytest.mark.parametrize(
    "image",
    [
        "s3://bucket/x/a.png",
        "/data/local-files/?d=x/a.png",
        "http://host:80/x/a.png?token=1",
        "upload/1/a.png",
        r"C:\x\a.png",
    ],
)
def test_addresses_of_images(tmp_path, image):
    mask, _, _ = converted(_save(tmp_path, [_rectangle()], image), tmp_path / "out")
    assert mask.any()


def test_an_image_with_a_space_and_an_accent(tmp_path):
    convert(
        _save(tmp_path, [_rectangle()], "/data/upload/1/caf%C3%A9%201.png", "café 1.png"), tmp_path / "out"
    )
    assert (tmp_path / "out/masks/café 1.png").is_file()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (_region("ant", points=[[0, 0], [140, 0], [50, 50]]), "a corner at 140 percent"),
        (_region("ant", points=[[0, 0], [50, None], [50, 50]]), "coordinate None"),
        (_region("ant", points=[[0, 0], [50, 10**400], [50, 50]]), "many digits"),
        (_region("ant", points=[0, 0, 1, 1]), "not pairs"),
        (_region("ant", points=[[0, 0], [50, 0], [50, 50]], closed=False), "was not closed"),
        (_rectangle(width=300), "width is 300 percent"),
        (_region("ant", "brushlabels", format="rle", rle=PACKED), "of 216 values, expected"),
        (_region("ant", "brushlabels", format="rle", rle="xx"), "not a list of bytes"),
        (_region("ant", "brushlabels", format="png", rle=[]), "format 'png'"),
        (_region("ant", "spirallabels", turns=3), r"a region that is no brush.*fields: spirallabels, turns"),
        (
            _region("ant", "rectanglelabels", x=0, y=0, width=9, height=9, labels=["bee"]),
            "labels bee and ant",
        ),
        (_region("", points=[[0, 0], [50, 0], [50, 50]]), "has no label"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, region, message):
    file = _save(tmp_path, [region])
    with pytest.raises(InputError, match=message) as caught:
        convert(file, tmp_path / "out")
    kind = str(caught.value).rpartition("--skip ")[2]
    assert convert(file, tmp_path / "out", skip=kind).left_out_kinds == {kind: 1}


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_an_image_that_was_turned_on_the_page(tmp_path, degrees):
    """Label Studio turns what it shows; what it stores is in percent of the image as the file holds it."""
    region = _rectangle(x=10, y=20, width=30, height=40)
    mask, objects, _ = converted(_save(tmp_path / "plain", [region]), tmp_path / "straight")
    turned_region = {**region, "image_rotation": degrees}
    found, numbers, _ = converted(_save(tmp_path / "turned", [turned_region]), tmp_path / "out")
    assert mask.any()
    assert (found == mask).all()
    assert (numbers == objects).all()


def test_another_size(tmp_path):
    """The size that Label Studio saw is not that of the image: percents would fall on other places."""
    with pytest.raises(InputError, match=r"a\.png: shows 60x40 pixels .* says 80x50"):
        convert(_save(tmp_path, [_rectangle()], size=(40, 60)), tmp_path / "out")


def test_tasks_without_one_image(tmp_path):
    file = _save(tmp_path, [_rectangle()], image="a text")
    with pytest.raises(InputError, match="task 1 names no image"):
        convert(file, tmp_path / "out")
