"""A folder of labelme JSON files to a plain folder of pictures and masks."""

import base64
import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.images import read_image, read_mask

from ..class_files import read_class_file, read_text
from .conversion import (
    BACKGROUND_NAMES,
    Conversion,
    FolderWriter,
    folder_in_place,
    refuse_broken,
    write_class_list,
)
from .rasterize import polygon_mask

IGNORED = "__ignore__"
CIRCLE_CORNERS = 128


def convert_labelme(folder: str | Path, out: str | Path, *, skip_broken: bool = False) -> Conversion:
    """Draws the shapes of labelme JSON files into semantic masks.

    Mask value 0 is the background; the other labels follow in alphabetic order, or in that of a ``labels.txt``
    in the folder. Later shapes of a file lie over earlier ones, as labelme shows them; ``__ignore__`` becomes
    255. Polygons, rectangles, circles and masks are drawn, by the rule for COCO polygons; points and lines
    cover no pixel and are refused.

    Args:
        folder: The JSON files, with sub-folders; hidden ones are left out. Pictures are found through
            ``imagePath``, or taken from the JSON itself.
        out: Folder to make: ``images``, ``masks`` and ``classes.txt``.
        skip_broken: Leave out shapes that cannot be drawn, and list them, instead of refusing the files.

    Raises:
        InputError: For a folder without labelme files, a picture that is missing or has another size, and
            shapes that cannot be drawn, each named by file and number.
    """
    folder, out = Path(folder), Path(out)
    files = _json_files(folder)
    if not files:
        raise InputError(f"{folder}: holds no labelme JSON file")
    contents = {file: _read(file) for file in files}
    names = _classes(folder, contents)
    value_of = {name: value for value, name in enumerate(names)}
    result = Conversion(out, names)
    broken: list[str] = []
    with folder_in_place(out) as target:
        writer = FolderWriter(target, len(names))
        value_of[IGNORED] = writer.void
        for file, content in contents.items():
            name, picture, size = _picture(file, folder, content)
            mask = writer.empty_mask(size, 0)
            for number, shape in enumerate(content["shapes"], start=1):
                label = shape["label"].strip()
                value = 0 if label.lower() in BACKGROUND_NAMES else value_of[label]
                try:
                    mask[shape_mask(shape, size)] = value
                except InputError as error:
                    broken.append(f"{file}: shape {number} ({label}): {error}")
                else:
                    result.objects += 1
            writer.add(name, picture, mask)
            result.pictures += 1
        if not skip_broken:
            refuse_broken(broken)
        write_class_list(target, names)
    result.left_out = broken
    return result


def shape_mask(shape: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """A labelme shape as bool [H, W].

    Raises:
        InputError: For a kind that covers no pixels, and points that are not pairs of numbers.
    """
    kind = shape.get("shape_type") or "polygon"
    try:
        points = np.asarray(shape.get("points"), dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise InputError("points that are not pairs of numbers") from None
    if kind == "polygon":
        return polygon_mask(points.ravel().tolist(), size)
    if kind in ("rectangle", "circle", "mask"):
        if len(points) != 2 or not np.isfinite(points).all():
            raise InputError(f"a {kind} of {len(points)} points, expected 2 finite ones")
        (x0, y0), (x1, y1) = points.tolist()
        if kind == "mask":
            return _pasted(shape, points, size)
        if kind == "rectangle":
            return polygon_mask([x0, y0, x0, y1, x1, y1, x1, y0], size)
        angles = np.arange(CIRCLE_CORNERS) * (2 * math.pi / CIRCLE_CORNERS)
        radius = math.hypot(x1 - x0, y1 - y0)
        corners = np.stack([x0 + radius * np.cos(angles), y0 + radius * np.sin(angles)], axis=1)
        return polygon_mask(corners.ravel().tolist(), size)
    raise InputError(f"the shape {kind!r} covers no pixels, expected polygon, rectangle, circle or mask")


def _pasted(shape: dict[str, Any], points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask that labelme stored itself: a PNG in base64, put at the first point."""
    try:
        with _as_file(base64.b64decode(shape["mask"]), ".png") as file:
            part = read_mask(file).values > 0
    except (KeyError, TypeError, ValueError):  # an InputError is a ValueError
        raise InputError("a mask that is not a PNG in base64") from None
    left, top = (int(value) for value in points[0])
    height, width = part.shape[:2]
    if part.ndim != 2 or left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise InputError(f"a mask of {width}x{height} pixels at ({left}, {top}) that leaves the picture")
    whole = np.zeros(size, dtype=bool)
    whole[top : top + height, left : left + width] = part
    return whole


@contextmanager
def _as_file(content: bytes, suffix: str) -> Iterator[Path]:
    """Content as a file, since all pictures go through the one reader, with its limits."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"content{suffix}"
        file.write_bytes(content)
        yield file


def _json_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    found = [path for path in folder.rglob("*") if path.suffix.lower() == ".json" and path.is_file()]
    return sorted(
        path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise InputError(f"{file}: has no list 'shapes', so it is not a labelme file")
    for number, shape in enumerate(content["shapes"], start=1):
        if (
            not isinstance(shape, dict)
            or not isinstance(shape.get("label"), str)
            or not shape["label"].strip()
        ):
            raise InputError(f"{file}: shape {number} has no label")
    return content


def _classes(folder: Path, contents: dict[Path, dict[str, Any]]) -> list[str]:
    """Background, then the labels."""
    used = {shape["label"].strip(): file for file, content in contents.items() for shape in content["shapes"]}
    foreground = sorted(n for n in used if n != IGNORED and n.lower() not in BACKGROUND_NAMES)
    listed = folder / "labels.txt"
    if not listed.is_file():
        return ["background", *foreground]
    names = [entry.name for entry in read_class_file(listed)]
    rest = [name for name in names if name.lower() in BACKGROUND_NAMES]
    names = [name for name in names if name not in rest]
    for name in foreground:
        if name not in names:
            raise InputError(f"{used[name]}: the label {name!r} is not in {listed}")
    return [rest[0] if rest else "background", *names]


def _picture(file: Path, folder: Path, content: dict[str, Any]) -> tuple[str, Path | bytes, tuple[int, int]]:
    """Name below the folder of pictures, the picture (a file, or bytes from the JSON), and (height, width)."""
    named = PureWindowsPath(str(content.get("imagePath") or f"{file.stem}.png"))
    name = (file.relative_to(folder).parent / f"{file.stem}{named.suffix.lower()}").as_posix()
    path = file.parent.joinpath(*named.parts)
    data = content.get("imageData")
    picture: Path | bytes
    if path.is_file():
        picture, image = path, read_image(path)
    elif isinstance(data, str) and data:
        try:
            picture = base64.b64decode(data)
            with _as_file(picture, named.suffix) as decoded:
                image = read_image(decoded)
        except ValueError:  # an InputError is a ValueError
            raise InputError(f"{file}: its imageData is not a picture in base64") from None
    else:
        raise InputError(f"{path}: there is no such picture, named by {file} (imagePath)")
    height, width = image.shape[:2]
    declared = content.get("imageHeight") or height, content.get("imageWidth") or width
    if declared != (height, width):
        raise InputError(
            f"{file}: says {declared[1]}x{declared[0]} pixels (width x height), but its picture shows "
            f"{width}x{height}"
        )
    return name, picture, (height, width)
