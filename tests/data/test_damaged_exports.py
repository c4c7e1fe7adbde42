"""Files of labelling tools with something else in the place of any value: drawn, left out or refused, never a crash."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converting import save_json
from folders import save_image
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.data.conversion.cvat import read_cvat
from vit_adapter.data.conversion.drawing import convert_labelled
from vit_adapter.data.conversion.label_studio import read_label_studio
from vit_adapter.data.conversion.labelme import convert_labelme
from vit_adapter.data.conversion.problems import KINDS, Problems
from vit_adapter.data.conversion.supervisely import read_supervisely
from vit_adapter.data.conversion.via import read_via
from vit_adapter.data.conversion.yolo import read_yolo

SIZE = (16, 20)
CORNERS = [[2, 3], [12, 3], [12, 9]]
DAMAGE = [
    *(None, True, 0, -1, 3.5, 1e308, 10**400, float("nan"), "", "x", "\ud800", "a\nb", "\0", "../x"),
    *([], {}, [[]], [1, 2], {"a": 1}, [None]),
]
TRIES = 150


def _label_studio() -> Any:
    size = {"original_width": SIZE[1], "original_height": SIZE[0], "image_rotation": 0}
    values = [
        {"points": [[1, 1], [50, 1], [50, 50]], "closed": True, "polygonlabels": ["a"]},
        {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 20, "rectanglelabels": ["b"]},
        {"x": 50, "y": 50, "radiusX": 9, "radiusY": 9, "rotation": 5, "ellipselabels": ["c"]},
        {"x": 5, "y": 5, "width": 1, "keypointlabels": ["d"]},
        {"format": "rle", "rle": [0, 0, 5, 0, 57, 27, 255], "brushlabels": ["e"]},
    ]
    result = [{**size, "id": str(n), "value": value} for n, value in enumerate(values)]
    return [{"id": 1, "data": {"image": "/x/a.png"}, "annotations": [{"id": 2, "result": result}]}]


def _via() -> Any:
    shapes = [
        {"name": "polygon", "all_points_x": [2, 12, 12], "all_points_y": [3, 3, 9]},
        {"name": "rect", "x": 2, "y": 1, "width": 10, "height": 5},
        {"name": "ellipse", "cx": 9, "cy": 9, "rx": 5, "ry": 4, "theta": 0.5},
        {"name": "polyline", "all_points_x": [2, 12], "all_points_y": [3, 3]},
    ]
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "a"}} for shape in shapes]
    return {"_via_img_metadata": {"a": {"filename": "a.png", "regions": regions}}}


def _via3() -> Any:
    shapes = [[7, 2, 3, 12, 3, 12, 9], [2, 1, 1, 5, 5], [3, 9, 9, 4], [1, 4, 4]]
    return {
        "attribute": {"1": {"aname": "kind", "options": {"0": "a"}}},
        "file": {"1": {"fname": "a.png"}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {str(n): {"vid": "1", "xy": xy, "av": {"1": "0"}} for n, xy in enumerate(shapes)},
    }


def _supervisely() -> Any:
    points = {"exterior": CORNERS, "interior": [[[8, 4], [9, 4], [9, 5]]]}
    return {
        "size": {"height": SIZE[0], "width": SIZE[1]},
        "objects": [
            {"classTitle": "a", "geometryType": "polygon", "points": points},
            {"classTitle": "a", "geometryType": "rectangle", "points": {"exterior": CORNERS[:2]}},
            {
                "classTitle": "a",
                "geometryType": "bitmap",
                "bitmap": {"data": "eJwDAAAAAAE=", "origin": [1, 2]},
            },
        ],
    }


def _labelme() -> Any:
    shapes = [("polygon", CORNERS), ("circle", CORNERS[:2]), ("linestrip", CORNERS), ("points", CORNERS)]
    return {
        "shapes": [
            {"label": "a", "shape_type": kind, "points": points, "group_id": 1} for kind, points in shapes
        ],
        "imagePath": "a.png",
        "imageHeight": SIZE[0],
        "imageWidth": SIZE[1],
    }


FORMS = {
    "export.json": (_label_studio, read_label_studio),
    "via.json": (_via, read_via),
    "via3.json": (_via3, read_via),
    "ds/ann/a.png.json": (
        _supervisely,
        lambda files, root, width: read_supervisely([root / "meta.json"], root, width),
    ),
    "a.json": (_labelme, None),
}


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(tree)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def _survives(make, out: Path) -> bool:
    """Whether it was converted; then masks hold classes of the list alone."""
    refusal = None
    try:
        make()
    except InputError as error:
        refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        assert not out.exists()
        return False
    names = (out / "classes.txt").read_text(encoding="utf-8").splitlines()
    for file in (out / "masks").rglob("*.png"):
        values = np.unique(np.asarray(Image.open(file)))
        assert (values[values != 255] < len(names)).all()
    return True


@pytest.mark.parametrize("name", FORMS)
def test_json(tmp_path, name):
    make, read = FORMS[name]
    tree, draw = make(), random.Random(name)
    save_image(tmp_path / "set/a.png", size=SIZE)
    save_image(tmp_path / "set/ds/img/a.png", size=SIZE)
    save_json(tmp_path / "set/meta.json", {"classes": [{"title": "a"}]})
    places, converted = list(_places(tree)), 0
    for number in range(TRIES):
        file, out = tmp_path / "set" / name, tmp_path / f"out{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_with(tree, draw.choice(places), draw.choice(DAMAGE))))

        def convert(file=file, out=out):
            if read is None:
                (file.parent / "meta.json").unlink(missing_ok=True)
                convert_labelme(file.parent, out, skip=KINDS, line_width=2)
            else:
                convert_labelled(read([file], tmp_path / "set", 2.0), out, Problems(KINDS))

        converted += _survives(convert, out)
    assert converted  # most damage concerns one shape, which --skip leaves out


@pytest.mark.parametrize("form", ["xml", "txt"])
def test_texts(tmp_path, form):
    """The same for XML and lines of numbers: some letters are changed or lost."""
    save_image(tmp_path / "set/a.png", size=SIZE)
    shapes = (
        '<box label="a" xtl="2" ytl="3" xbr="9" ybr="9" rotation="30" z_order="1" group_id="2"/>'
        '<polygon label="a" points="2,3;12,3;12,9"/><mask label="a" rle="1,2,1" left="3" top="4" width="2" height="2"/>'
        '<ellipse label="a" cx="9" cy="9" rx="4" ry="3"/><polyline label="a" points="1,1;9,9"/>'
    )
    image = f'<image name="a.png" width="20" height="16">{shapes}</image>'
    text = f"<annotations><version>1.1</version>{image}</annotations>"
    if form == "txt":
        text = "0 0.1 0.1 0.5 0.1 0.5 0.5\n1 0.5 0.5 0.2 0.2\n0 0.25 0.3 0.8 0.3 0.8 0.9 0.2 0.9\n"
    draw, converted = random.Random(form), 0
    for number in range(TRIES):
        letters = list(text)
        for _ in range(draw.randint(1, 3)):
            letters[draw.randrange(len(letters))] = draw.choice(
                ["", "9", "-", "x", " ", '"', "<", "é", "\n", ".", "e"]
            )
        file, out = tmp_path / f"set/a.{form}", tmp_path / f"out{number}"
        file.write_text("".join(letters), encoding="utf-8")

        def convert(file=file, out=out):
            labelled = read_cvat([file], file, 2.0) if form == "xml" else read_yolo([], file.parent)
            convert_labelled(labelled, out, Problems(KINDS))

        converted += _survives(convert, out)
    assert converted
