"""Tracks of CVAT's XML for videos ("CVAT for video 1.1"): what an object looks like in every frame."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from vit_adapter.config import InputError

from .labelled import LabelledImage, Shape, image_names, number, part_of, whole_number
from .video_frames import VideoFrames

MakeShape = Callable[[Element, str], Shape]
"""From an element of the XML, with label and group, and what a message calls it, to a shape."""
BETWEEN: dict[str, tuple[str, ...]] = {
    "box": ("xtl", "ytl", "xbr", "ybr"),
    "ellipse": ("cx", "cy", "rx", "ry"),
}
"""Numbers that change evenly from one key frame to the next."""
POINTS = ("polygon", "polyline", "points")
MOST_FRAMES = 1_000_000


def frames_of_tracks(tree: Element, file: Path, shape_of: MakeShape) -> tuple[list[LabelledImage], int]:
    """The frames in which something is seen.

    Between two key frames boxes, ellipses, and outlines with as many corners in both change evenly; what else there is
    stays as in the first of them. After its last key frame an object stays until the task ends, unless that frame says
    that it is outside.

    Args:
        tree: The XML.
        file: Its file.
        shape_of: Makes the shapes.

    Returns:
        The frames, called ``frame_000000`` and so on as CVAT exports them, and how many of the task show nothing.

    Raises:
        InputError: A number of a frame is none.
    """
    step = _step(tree)
    last = max(
        [*_stop(tree), *(_frame(shape, file) for track in tree.iter("track") for shape in track)], default=0
    )
    size = _size(tree)
    shapes: dict[int, list[Shape]] = {}
    subsets: dict[int, str] = {}
    for position, track in enumerate(tree.iterfind("track"), start=1):
        name = track.get("id") or position
        for frame, element in _seen(track, file, last, step):
            element.set("label", track.get("label") or "")
            element.set("group_id", track.get("group_id") or "0")
            shapes.setdefault(frame, []).append(shape_of(element, f"{file}: frame {frame}: track {name}"))
            subsets[frame] = track.get("subset") or ""
    places = [file.parent / "images", file.parent, file.parent.parent / "images", file.parent.parent]
    found = [
        LabelledImage(
            f"{file}: frame {frame}",
            file,
            _names(frame),
            size,
            shapes[frame],
            places,
            part_of(subsets[frame]),
        )
        for frame in sorted(shapes)
    ]
    first = min([*_start(tree), *shapes], default=0)
    return found, max(0, (last - first) // step + 1 - len(found))


def with_video(
    frames: list[LabelledImage], tree: Element, file: Path, given: Path | None
) -> list[LabelledImage]:
    """The frames with what shows them, where no files do.

    Args:
        frames: Of the XML.
        tree: The XML, which may name its video.
        file: Its file, beside which the video may lie.
        given: What the user named: the video, a folder of images, or nothing.
    """
    video = given if given is not None and given.is_file() else None
    if given is None and not any(
        (place / name).is_file() for place in frames[0].places for name in frames[0].names
    ):
        name = (tree.findtext("meta/source") or tree.findtext("meta/task/source") or "").strip()
        places = [place / one for one in image_names(name) for place in (file.parent, file.parent.parent)]
        video = next((place for place in places if place.is_file()), None)
    if video is None:
        return frames
    shown = VideoFrames(video)
    return [
        replace(frame, names=frame.names[1:2], content=partial(shown.png, _number(frame))) for frame in frames
    ]


def _number(frame: LabelledImage) -> int:
    return int(frame.names[0].stem.removeprefix("frame_"))


def _seen(track: Element, file: Path, last: int, step: int) -> list[tuple[int, Element]]:
    """The frames in which a track is inside, each with a shape of its own."""
    listed = sorted(
        ((_frame(shape, file), shape) for shape in track if shape.get("frame")), key=lambda one: one[0]
    )
    seen: list[tuple[int, Element]] = []
    for index, (frame, shape) in enumerate(listed):
        if shape.get("outside") == "1":
            continue
        following = listed[index + 1] if index + 1 < len(listed) else None
        seen.append((frame, _copy(shape)))
        if following is None:
            seen += [(later, _copy(shape)) for later in range(frame + step, last + 1, step)]
            continue
        end, other = following
        for between in range(frame + step, end, step):
            seen.append((between, _mixed(shape, other, (between - frame) / (end - frame))))
    return seen


def _copy(shape: Element, **changes: str) -> Element:
    """The shape alone: it may become that of several frames."""
    return Element(shape.tag, {**shape.attrib, **changes})


def _mixed(first: Element, second: Element, share: float) -> Element:
    """A shape on its way from one to another; the first where it cannot be told."""
    if first.tag != second.tag:
        return _copy(first)
    try:
        if first.tag in BETWEEN:
            changes = {
                name: _between(first.attrib, second.attrib, name, share) for name in BETWEEN[first.tag]
            }
            turn = _turn(first), _turn(second)
            around = (turn[1] - turn[0] + 180) % 360 - 180  # the shorter way round
            return _copy(first, **changes, rotation=str((turn[0] + around * share) % 360))
        if first.tag in POINTS:
            pairs = _pairs(first), _pairs(second)
            if len(pairs[0]) == len(pairs[1]):
                points = [
                    ",".join(str(a + (b - a) * share) for a, b in zip(one, other, strict=True))
                    for one, other in zip(*pairs, strict=True)
                ]
                return _copy(first, points=";".join(points))
    except (InputError, ValueError):  # said where the shape is drawn
        pass
    return _copy(first)


def _between(first: Mapping[str, str], second: Mapping[str, str], name: str, share: float) -> str:
    begin, end = number(first.get(name), name), number(second.get(name), name)
    return str(begin + (end - begin) * share)


def _turn(shape: Element) -> float:
    return number(shape.get("rotation") or 0, "rotation")


def _pairs(shape: Element) -> list[tuple[float, float]]:
    return [
        (float(x), float(y)) for x, y in (pair.split(",") for pair in (shape.get("points") or "").split(";"))
    ]


def _frame(shape: Element, file: Path) -> int:
    found = whole_number(shape.get("frame") or 0, f"{file}: frame")
    if not 0 <= found <= MOST_FRAMES:
        raise InputError(f"{file}: frame {found}, expected 0 to {MOST_FRAMES}")
    return found


def _numbers(tree: Element, name: str) -> list[int]:
    """What the task or job says, as far as it is a number."""
    texts = [text for kind in ("task", "job") for text in [tree.findtext(f"meta/{kind}/{name}")] if text]
    return [int(text) for text in texts if text.isdecimal() and int(text) <= MOST_FRAMES]


def _start(tree: Element) -> list[int]:
    return _numbers(tree, "start_frame")[:1]


def _stop(tree: Element) -> list[int]:
    return _numbers(tree, "stop_frame")[:1]


def _step(tree: Element) -> int:
    """Every how many frames there is one of the task: its filter says "step=5"."""
    for kind in ("task", "job"):
        text = (tree.findtext(f"meta/{kind}/frame_filter") or "").strip()
        if text.startswith("step=") and text[5:].strip().isdecimal():
            return max(1, int(text[5:]))
    return 1


def _size(tree: Element) -> tuple[int | None, int | None]:
    for kind in ("task", "job"):
        texts = [tree.findtext(f"meta/{kind}/original_size/{side}") or "" for side in ("height", "width")]
        if all(text.isdecimal() and len(text) < 10 for text in texts):
            return int(texts[0]), int(texts[1])
    return None, None


def _names(frame: int) -> list[Path]:
    """What the file of a frame may be called: as CVAT exports it, or as people let FFmpeg do."""
    return [
        name
        for ending in (".PNG", ".png", ".jpg", ".JPG", ".jpeg")
        for name in image_names(f"frame_{frame:06d}{ending}")
    ]
