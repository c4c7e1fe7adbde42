"""Outlines of regions and objects as polygons, in COCO's form and as GeoJSON. Needs rasterio, the extra "geo".

Outlines run along the edges of pixels: (0, 0) is the top left corner of the image, x grows to the right and y down,
the pixel in column c and row r is the square from (c, r) to (c + 1, r + 1). So a polygon's area is its number of
pixels, and drawn by COCO's rule it is the very mask. Regions that touch at a corner only are apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.own_files import KEYWORD
from vit_adapter.images.georeference import Georeference

PolygonForm = Literal["coco", "geojson"]
Rings = list[np.ndarray]
"""A polygon: int64 [N, 2] corners of its outline, then of each hole; the first corner is repeated at the end."""
DIGITS = 8  # of degrees: a millimetre


@dataclass(frozen=True)
class Region:
    """What is outlined.

    Attributes:
        label: Its class.
        polygons: One, or of an object in parts several.
        number: Of the object or segment, as in the other files of the result; None: a region of a label map.
        score: Confidence 0..1; None: not known.
    """

    label: int
    polygons: list[Rings]
    number: int | None = None
    score: float | None = None

    @property
    def area(self) -> float:
        """In pixels."""
        return sum(
            abs(_area(outline)) - sum(abs(_area(hole)) for hole in holes) for outline, *holes in self.polygons
        )

    @property
    def box(self) -> list[float]:
        """Left, top, width, height in pixels."""
        corners = np.concatenate([rings[0] for rings in self.polygons])
        (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return [left, top, right - left, bottom - top]


def outlined(
    values: np.ndarray, inside: np.ndarray, corner: tuple[int, int] = (0, 0)
) -> Iterator[tuple[int, Rings]]:
    """The connected regions of equal values, with their holes.

    Args:
        values: uint8, uint16 or int32 [H, W].
        inside: bool [H, W], what is outlined.
        corner: (left, top) of the values in the image.

    Yields:
        The value of each region, and its polygon.
    """
    from rasterio.features import shapes

    for shape, value in shapes(values, mask=inside, connectivity=4):
        rings = [np.asarray(ring).astype(np.int64) + np.array(corner) for ring in shape["coordinates"]]
        yield int(value), rings


def outlined_band(raster: Any) -> Iterator[tuple[int, Rings]]:
    """As ``outlined``, of the first band of a raster opened by rasterio, which is read row by row."""
    import rasterio
    from rasterio.features import shapes

    for shape, value in shapes(rasterio.band(raster, 1), connectivity=4):
        yield int(value), [np.asarray(ring).round().astype(np.int64) for ring in shape["coordinates"]]


def mask_polygons(mask: np.ndarray, corner: tuple[int, int] = (0, 0)) -> list[Rings]:
    """The polygons of one mask, bool [h, w], whose left and top are ``corner``."""
    return [rings for _, rings in outlined(mask.astype(np.uint8), mask, corner)]


def box_polygon(left: float, top: float, right: float, bottom: float) -> Rings:
    """The polygon of a box."""
    return [np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])]


def coco_polygons(
    regions: Sequence[Region],
    size: tuple[int, int],
    file_name: str,
    names: Sequence[str],
    ids: Sequence[int],
    facts: Mapping[str, object],
) -> dict[str, Any]:
    """A whole file in COCO's form for one image.

    COCO's polygons have no holes: an outline is joined with its holes by slits without width, to a corner of the hole
    and back, which its drawing rule leaves no trace of.

    Args:
        regions: What is outlined.
        size: (height, width) of the image.
        file_name: Of the image.
        names: Of the classes.
        ids: Of the classes, in the user's own files.
        facts: The mark of the file.
    """
    annotations = []
    for index, region in enumerate(regions, start=1):
        entry: dict[str, Any] = {
            "id": region.number or index,
            "image_id": 1,
            "category_id": ids[region.label],
            "segmentation": [joined(rings).reshape(-1).tolist() for rings in region.polygons],
            "area": region.area,
            "bbox": region.box,
            "iscrowd": 0,
        }
        if region.score is not None:
            entry["score"] = round(region.score, 6)
        annotations.append(entry)
    return {
        "info": {KEYWORD: dict(facts)},
        "images": [{"id": 1, "file_name": file_name, "height": size[0], "width": size[1]}],
        "annotations": annotations,
        "categories": [{"id": ids[label], "name": name} for label, name in enumerate(names)],
    }


def joined(rings: Rings) -> np.ndarray:
    """A polygon as one outline [N, 2], not closed, its holes joined to it by slits."""
    outline, *holes = rings
    whole = _turned(outline, positive=True)[:-1]
    for ring in holes:
        hole = _turned(ring, positive=False)[:-1]
        distances = np.abs(whole - hole[0]).sum(axis=1)
        at = int(distances.argmin())
        whole = np.concatenate([whole[: at + 1], hole, hole[:1], whole[at:]])
    return whole


def geojson(
    regions: Sequence[Region],
    georeference: Georeference | None,
    names: Sequence[str],
    ids: Sequence[int],
    facts: Mapping[str, object],
) -> dict[str, Any]:
    """A feature collection as RFC 7946 says: longitude and latitude in WGS84, outlines counter-clockwise.

    Of images that lie nowhere the coordinates are pixels, of a transform without coordinate system its units; "info"
    says which.

    Args:
        regions: What is outlined.
        georeference: Where the image lies.
        names: Of the classes.
        ids: Of the classes, in the user's own files.
        facts: The mark of the file.

    Raises:
        InputError: The coordinate system cannot be converted.
    """
    rings = [ring for region in regions for polygon in region.polygons for ring in polygon]
    pixels = np.concatenate(rings) if rings else np.zeros((0, 2))
    if georeference is None:
        unit, places = "pixels from the top left corner, y down", pixels
    elif not georeference.crs:
        unit, places = (
            "the raster's transform; its coordinate system is not known",
            georeference.places(pixels),
        )
    else:
        unit = "longitude and latitude (WGS84)"
        places = np.round(georeference.longitudes_and_latitudes(pixels), DIGITS)
    parts = iter(np.split(places, np.cumsum([len(ring) for ring in rings])[:-1]))
    features = []
    for index, region in enumerate(regions, start=1):
        polygons = [
            [_turned(next(parts), positive=position == 0).tolist() for position in range(len(polygon))]
            for polygon in region.polygons
        ]
        whole = len(polygons) == 1
        properties = {
            "class": names[region.label],
            "id": ids[region.label],
            "pixels": region.area,
            "number": region.number or index,
        }
        if region.score is not None:
            properties["score"] = round(region.score, 6)
        geometry = {
            "type": "Polygon" if whole else "MultiPolygon",
            "coordinates": polygons[0] if whole else polygons,
        }
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    info = {KEYWORD: dict(facts), "coordinates": unit}
    return {"type": "FeatureCollection", "info": info, "features": features}


def polygon_file(stem: str, polygons: PolygonForm | None) -> str | None:
    """The name of the file of polygons of a result of any task; None: there is none."""
    suffix = {"coco": "json", "geojson": "geojson"}
    return None if polygons is None else f"{stem}_polygons.{suffix[polygons]}"


def check_polygon_form(polygons: str | None) -> None:
    """Refuses what is no form of polygons.

    Raises:
        InputError: It is neither None, nor coco or geojson.
    """
    if polygons not in (None, "coco", "geojson"):
        raise InputError(f"polygons is {polygons!r}, expected coco or geojson")


def _area(ring: np.ndarray) -> float:
    """Signed area of a closed ring; positive: x towards y, counter-clockwise where y grows upwards."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2


def _turned(ring: np.ndarray, positive: bool) -> np.ndarray:
    """A ring in the direction whose signed area is positive, or negative."""
    return ring if (_area(ring) > 0) == positive else ring[::-1]
