"""Outlines as polygons: drawn again they are the masks they were made of."""

import numpy as np
import pytest
from pycocotools import mask as coco

from vit_adapter.annotations import Instances, Segments
from vit_adapter.annotations.polygons import polygons_mask
from vit_adapter.images.georeference import Georeference
from vit_adapter.tasks import InstanceResult, PanopticResult, SemanticResult
from vit_adapter.tasks.detection_result import DetectionResult

NAMES = ("ground", "water", "tree")


def labels(seed: int = 0, size: tuple[int, int] = (41, 57)) -> np.ndarray:
    """Noise of three classes and of none (255): holes in holes, and regions that touch at corners."""
    values = np.array([0, 1, 2, 255], np.uint8)
    return values[np.random.default_rng(seed).choice(4, size, p=[0.5, 0.25, 0.2, 0.05])]


def blank(size: tuple[int, int]) -> np.ndarray:
    return np.zeros((*size, 3), np.uint8)


def result(values: np.ndarray, **settings) -> SemanticResult:
    return SemanticResult(
        labels=values, image=blank(values.shape), class_names=NAMES, ids=(3, 7, 200), **settings
    )


@pytest.mark.parametrize("seed", range(4))
def test_coco_polygons_draw_the_label_map(seed):
    values = labels(seed)
    file = result(values).polygons("coco", "a", {})
    ours, theirs = (np.full(values.shape, 255, np.uint8) for _ in range(2))
    for entry in file["annotations"]:
        label = (3, 7, 200).index(entry["category_id"])
        (polygon,) = entry["segmentation"]
        mask = coco.decode(coco.merge(coco.frPyObjects([polygon], *values.shape))).astype(bool)
        assert mask.sum() == entry["area"]
        rows, columns = np.nonzero(mask)
        left, top, width, height = entry["bbox"]
        assert (columns.min(), rows.min()) == (left, top)
        assert (columns.max() + 1, rows.max() + 1) == (left + width, top + height)
        theirs[mask] = label
        ours[polygons_mask([polygon], values.shape)] = label
    np.testing.assert_array_equal(theirs, values)
    np.testing.assert_array_equal(ours, values)


def test_holes_stay_holes_in_geojson():
    values = np.zeros((10, 12), np.uint8)
    values[2:8, 3:9] = 1
    values[4:6, 5:7] = 2
    features = result(values).polygons("geojson", "a", {})["features"]
    rings = {one["properties"]["class"]: one["geometry"]["coordinates"] for one in features}
    assert {name: len(polygon) for name, polygon in rings.items()} == {"ground": 2, "water": 2, "tree": 1}
    assert {one["properties"]["class"]: one["properties"]["pixels"] for one in features} == {
        "ground": 120 - 36, "water": 36 - 4, "tree": 4,
    }  # fmt: skip
    outline, hole = rings["water"]
    assert sorted(map(tuple, outline[1:])) == [(3, 2), (3, 8), (9, 2), (9, 8)]
    assert sorted(map(tuple, hole[1:])) == [(5, 4), (5, 6), (7, 4), (7, 6)]
    assert outline[0] == outline[-1]
    assert signed_area(outline) > 0 > signed_area(hole)


def signed_area(ring) -> float:
    x, y = np.array(ring).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_geojson_is_in_longitude_and_latitude_counter_clockwise():
    """A pixel of 10 m beside the central meridian of zone 33, whose place is known."""
    values = np.full((4, 5), 255, np.uint8)
    values[1, 2] = 1
    place = Georeference((10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0), "EPSG:32633")
    file = result(values, georeference=place).polygons("geojson", "a", {"image": "x"})
    assert file["info"]["coordinates"] == "longitude and latitude (WGS84)"
    assert file["info"]["vit-adapter"] == {"image": "x"}
    (feature,) = file["features"]
    (ring,) = feature["geometry"]["coordinates"]
    corner = min(ring)  # west, and of the two the southern one
    assert corner == pytest.approx([15.000272, 48.752833], abs=2e-6)
    assert signed_area(ring) > 0  # longitude to the right, latitude up
    without = result(values, georeference=Georeference(place.transform)).polygons("geojson", "a", {})
    assert min(without["features"][0]["geometry"]["coordinates"][0]) == [500020.0, 5399980.0]
    assert "not known" in without["info"]["coordinates"]


def test_objects_are_outlined_whole_where_they_overlap():
    masks = np.zeros((2, 8, 9), bool)
    masks[0, 1:5, 1:5] = True
    masks[1, 3:7, 3:8] = True
    masks[1, 0, 8] = True  # an object in two parts
    objects = Instances.from_masks(np.array([2, 1]), masks, np.array([0.9, 0.5], np.float32))
    found = InstanceResult(image=blank((8, 9)), class_names=NAMES, instances=objects)
    entries = found.polygons("coco", "a", {})["annotations"]
    assert [entry["area"] for entry in entries] == [16, 21]
    assert [len(entry["segmentation"]) for entry in entries] == [1, 2]
    for entry, mask in zip(entries, masks, strict=True):
        np.testing.assert_array_equal(polygons_mask(entry["segmentation"], (8, 9)), mask)
    features = found.polygons("geojson", "a", {})["features"]
    assert [one["geometry"]["type"] for one in features] == ["Polygon", "MultiPolygon"]
    assert [one["properties"]["score"] for one in features] == [0.9, 0.5]
    boxes = DetectionResult(image=blank((8, 9)), class_names=NAMES, instances=objects)
    assert boxes.polygons("coco", "a", {})["annotations"][0]["segmentation"] == [[1, 1, 5, 1, 5, 5, 1, 5]]


def test_segments_are_outlined_in_all_their_parts():
    ids = np.array([[1, 1, 2], [2, 2, 1], [0, 2, 1]])
    segments = Segments(ids, np.array([0, 2]), np.array([0.8, 0.7], np.float32))
    found = PanopticResult(
        image=blank((3, 3)), class_names=NAMES, segments=segments, is_thing=(False, False, True)
    )
    features = found.polygons("geojson", "a", {})["features"]
    assert [one["properties"]["pixels"] for one in features] == [4, 4]
    assert [len(one["geometry"]["coordinates"]) for one in features] == [2, 2]


@pytest.mark.parametrize("form", ["coco", "geojson"])
def test_nothing_found_is_a_file_without_entries(form):
    file = result(np.full((5, 6), 255, np.uint8)).polygons(form, "a", {})
    assert file["annotations" if form == "coco" else "features"] == []
