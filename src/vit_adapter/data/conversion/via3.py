"""Projects of VIA 3, in the form that those of version 2 have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError

FIELDS = {
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
}
LISTS = {5: "line", 6: "polyline", 7: "polygon"}
OTHERS = {8: "extreme_rectangle", 9: "extreme_circle"}
"""Numbers of shapes in version 3, and how version 2 names them and their fields."""


def via3_files(content: Mapping[str, Any], file: Path) -> list[dict[str, Any]]:
    """One entry for each view of a single image: "filename" and "regions", each with "shape" and "attributes".

    Raises:
        InputError: The project refers to what it does not hold.
    """
    try:
        names = {number: some["fname"] for number, some in content["file"].items()}
        attributes = content.get("attribute") or {}
        entries = {}
        for view, some in content["view"].items():
            files = [str(number) for number in some["fid_list"]]
            if len(files) == 1:  # several files side by side are compared, not labelled
                entries[view] = {"filename": names[files[0]], "regions": []}
        for some in content["metadata"].values():
            if some.get("xy") and some["vid"] in entries:
                told = {
                    _name(attributes, key): _option(attributes, key, value)
                    for key, value in some["av"].items()
                }
                entries[some["vid"]]["regions"].append({"shape": _shape(some["xy"]), "attributes": told})
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: is a damaged project of VIA 3 ({type(error).__name__}: {error})") from None
    return list(entries.values())


def _name(attributes: Mapping[str, Any], key: str) -> str:
    return str(attributes.get(key, {}).get("aname", key))


def _option(attributes: Mapping[str, Any], key: str, value: Any) -> Any:
    """The text of the chosen option; what is typed in stands for itself."""
    return (attributes.get(key, {}).get("options") or {}).get(str(value), value)


def _shape(numbers: Any) -> dict[str, Any]:
    kind, values = numbers[0], list(numbers[1:])
    if kind in FIELDS and len(values) == len(FIELDS[kind][1]):
        return {"name": FIELDS[kind][0], **dict(zip(FIELDS[kind][1], values))}
    if kind in LISTS:
        return {"name": LISTS[kind], "all_points_x": values[::2], "all_points_y": values[1::2]}
    return {"name": OTHERS.get(kind, FIELDS.get(kind, (f"number {kind}",))[0])}
