"""VIA's projects and exports, of three versions."""

import csv
import json

import numpy as np
import pytest
from converting import converted, inside, save_json
from folders import save_image

from vit_adapter.config import InputError
from vit_adapter.data.conversion import convert

SIZE = (40, 60)
POLYGON = {"name": "polygon", "all_points_x": [2, 12, 12, 2], "all_points_y": [3, 3, 9, 9]}
RECT = {"name": "rect", "x": 20, "y": 10, "width": 10, "height": 5}
CIRCLE = {"name": "circle", "cx": 45, "cy": 12, "r": 8}
ELLIPSE = {"name": "ellipse", "cx": 20, "cy": 30, "rx": 12, "ry": 4, "theta": 0.5}
SHAPES = [("ant", POLYGON), ("bee", RECT), ("cat", CIRCLE), ("dog", ELLIPSE)]


def _entries(regions, key="type"):
    return [{"shape_attributes": shape, "region_attributes": {key: label}} for label, shape in regions]


def _save(tmp_path, regions, form="project", name="a.png"):
    save_image(tmp_path / "set/a.png", size=SIZE)
    entry = {"filename": name, "size": 99, "regions": regions, "file_attributes": {}}
    if form == "version 1":
        entry["regions"] = {str(n): region for n, region in enumerate(regions)}
    if form == "csv":
        with (tmp_path / "set/via.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            columns = "filename file_size file_attributes region_count region_id"
            writer.writerow([*columns.split(" "), "region_shape_attributes", "region_attributes"])
            for n, region in enumerate(regions):
                shape, attributes = (json.dumps(region[k]) for k in ("shape_attributes", "region_attributes"))
                writer.writerow([name, 99, "{}", len(regions), n, shape, attributes])
        return tmp_path / "set/via.csv"
    content = {f"{name}99": entry}
    if form == "project":
        content = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {}}
    return save_json(tmp_path / "set/via.json", content)


def _expected():
    """The classes from formulas, and where a pixel's centre is clearly inside or outside of all curves."""
    expected = np.zeros(SIZE, int)
    expected[3:9, 2:12], expected[10:15, 20:30] = 1, 2
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    circle = np.hypot(x - 45, y - 12) / 8
    a, b = x - 20, y - 30
    c, s = np.cos(0.5), np.sin(0.5)
    ellipse = np.hypot((c * a + s * b) / 12, (c * b - s * a) / 4)
    expected[circle < 1], expected[ellipse < 1] = 3, 4
    return expected, (abs(circle - 1) > 0.1) & (abs(ellipse - 1) > 0.2)


@pytest.mark.parametrize("form", ["project", "annotations", "version 1", "csv"])
def test_every_shape_with_an_area(tmp_path, form):
    mask, objects, report = converted(_save(tmp_path, _entries(SHAPES), form), tmp_path / "out")
    expected, clear = _expected()
    assert (mask == expected)[clear].all()
    assert (objects == mask).all()
    assert report.classes == ["background", "ant", "bee", "cat", "dog"]


def test_version_3(tmp_path):
    """The same shapes as numbers, classes as numbers of options."""
    save_image(tmp_path / "set/a.png", size=SIZE)
    shapes = [[7, 2, 3, 12, 3, 12, 9, 2, 9], [2, 20, 10, 10, 5], [3, 45, 12, 8], [6, 0, 35, 59, 35]]
    content = {
        "project": {"pname": "x"},
        "attribute": {
            "1": {
                "aname": "kind",
                "options": {str(n): name for n, name in enumerate(["ant", "bee", "cat", "dog"])},
            }
        },
        "file": {"1": {"fid": "1", "fname": "a.png"}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {f"1_{n}": {"vid": "1", "xy": xy, "av": {"1": str(n)}} for n, xy in enumerate(shapes)},
    }
    file = save_json(tmp_path / "set/via.json", content)
    mask, _, _ = converted(file, tmp_path / "out", skip="line")
    expected, clear = _expected()
    clear[20:] = False
    assert (mask == expected)[clear].all()
    mask, _, _ = converted(file, tmp_path / "other", line_width=3)
    assert ((mask == 4) == inside(SIZE, lambda x, y: np.hypot(x - x.clip(0, 59), y - 35) <= 1.5)).all()
    content["view"]["1"]["fid_list"] = ["9"]
    with pytest.raises(InputError, match="damaged project of VIA 3"):
        convert(save_json(file, content), tmp_path / "third")


def test_which_attribute_is_the_class(tmp_path):
    """One called like a class, or the only one; of others the flag says it. Check boxes count if one is ticked."""
    region = _entries([({"ant": True, "bee": False}, POLYGON)], "Label")[0]
    region["region_attributes"]["note"] = "blurred"
    assert convert(_save(tmp_path, [region]), tmp_path / "out").classes == ["background", "ant"]
    region["region_attributes"] = {"species": "wasp", "note": "blurred"}
    file = _save(tmp_path, [region])
    with pytest.raises(InputError, match=r"attributes 'species', 'note'.*--label-key NAME"):
        convert(file, tmp_path / "other")
    assert convert(file, tmp_path / "other", label_key="species").classes == ["background", "wasp"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"name": "star"}, "shape type 'star' is not known"),
        ({}, "shape type None is not known"),
        ({**POLYGON, "all_points_x": [1, 2]}, "same length"),
        ({**RECT, "width": "wide"}, "width 'wide', expected a number"),
        ({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}, "'line' has no area"),
        ({"name": "point", "cx": 3, "cy": 3}, "'point' has no area"),
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, "2 points"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, shape, message):
    file = _save(tmp_path, _entries([("ant", shape)]))
    with pytest.raises(InputError, match=message) as caught:
        convert(file, tmp_path / "out")
    kind = str(caught.value).rpartition("--skip ")[2]
    assert convert(file, tmp_path / "out", skip=kind).left_out_kinds == {kind: 1}


@pytest.mark.parametrize("name", ["../secret.png", "/secret.png", "..\\secret.png"])
def test_paths_stay_inside(tmp_path, name):
    save_image(tmp_path / "secret.png", size=SIZE)
    file = _save(tmp_path, _entries(SHAPES), name=name)
    with pytest.raises(InputError, match="there is no such image"):
        convert(file, tmp_path / "out", images=tmp_path / "set")


def test_an_image_without_a_region_in_a_csv(tmp_path):
    file = _save(tmp_path, [{"shape_attributes": {}, "region_attributes": {}}], "csv")
    report = convert(file, tmp_path / "out")
    assert (report.images, report.bare) == (1, ["a.png"])
