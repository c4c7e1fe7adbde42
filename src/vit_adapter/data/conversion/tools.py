"""The labelling tools whose files can be converted, and the one function that converts those of any."""

from collections.abc import Collection
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.config.paths import takes_paths
from vit_adapter.images.listing import IMAGE_SUFFIXES

from ..file_tree import files_below
from ..other_forms import TITLES, OtherForm, advice, recognise
from .coco import convert_coco
from .cvat import read_cvat
from .cvat_masks import read_cvat_masks
from .drawing import convert_labelled
from .label_studio import read_label_studio
from .labelled import Labelled
from .labelme import convert_labelme
from .problems import Problems
from .report import Conversion
from .supervisely import read_supervisely
from .via import read_via
from .voc import read_voc
from .yolo import read_yolo

WIDEST_LINE = 10_000  # pixels


@takes_paths("source", "out", "images")
def convert(
    source: str | Path,
    out: str | Path,
    *,
    images: str | Path | None = None,
    skip: Collection[str] | str = (),
    line_width: float | None = None,
    label_key: str | None = None,
    stuff: Collection[str] | str = (),
) -> Conversion:
    """Turns what a labelling tool wrote into a folder that ``open_dataset`` reads.

    Args:
        source: File or folder of CVAT, Label Studio, labelme, X-AnyLabeling, Supervisely, VIA, YOLO or Pascal VOC, or a
            COCO JSON.
        out: Folder to make, see ``convert_labelled``.
        images: Folder of the images, or the video of CVAT's tracks; None: the places that are usual for the tool.
        skip: What is left out and listed instead of refused, see ``problems.KINDS``.
        line_width: Pixels that lines are wide, and points across; None: they have no area.
        label_key: Region attribute of VIA that holds the class; None: the one that is called like a class.
        stuff: Labels whose shapes are regions, such as sky, not objects.

    Returns:
        What was written, and remarks about it.

    Raises:
        InputError: For a source that is of no known tool, for all that ``skip`` does not name, for wishes that do
            not go with the tool, and for an ``out`` that exists already or cannot be written.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder")
    if line_width is not None and not 0 < line_width <= WIDEST_LINE:
        raise InputError(
            f"--line-width {line_width:g}: expected more than 0 and at most {WIDEST_LINE} pixels"
        )
    if isinstance(stuff, str):
        stuff = [word for word in stuff.split(",") if word.strip()]
    place = None if images is None else Path(images)
    form = recognise(source)
    if label_key is not None and (form is None or form.name != "via"):
        raise InputError("--label-key: goes with the files of VIA, which have attributes of any name")
    if form is not None and form.name not in ("coco", "labelme"):
        labelled = _read(form, source, line_width, label_key, place)
        framed = all(image.content is not None for image in labelled.images)
        return convert_labelled(labelled, out, Problems(skip), None if framed else place, stuff)
    if source.suffix.lower() == ".zip":
        raise InputError(f"{source}: is a ZIP archive; unpack it and give the folder")
    if form is None:
        _refuse_unknown(source)
    if source.is_dir():
        if place is not None:
            raise InputError(f"--images: labelme's files in {source} name their images themselves")
        return convert_labelme(source, out, skip=skip, line_width=line_width, stuff=stuff)
    if form is not None and form.name == "labelme":
        raise InputError(advice(source) or f"{source}: is a labelme file; give the folder with all of them")
    return convert_coco(source, place or source.parent, out, skip=skip, stuff=stuff)


def _refuse_unknown(source: Path) -> None:
    """Refuses what is of no tool at all. The readers of labelme and COCO name what is wrong with files like theirs.

    Raises:
        InputError: A folder without a file that could be labelme's, or an image.
    """
    tools = ", ".join(sorted({title.removesuffix(" masks") for title in TITLES.values()}))
    if source.is_file() and source.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(f"{source}: is an image, expected annotations ({tools}), or the folder with them")
    if source.is_file() or any(b'"shapes"' in file.read_bytes() for file in files_below(source, ".json")):
        return
    above = recognise(source.parent)
    hint = "" if above is None else f"; {source.parent} does, as a whole ({TITLES[above.name]})"
    raise InputError(f"{source}: holds no annotations of a tool that is known ({tools}){hint}")


def _read(
    form: OtherForm, root: Path, line_width: float | None, label_key: str | None, images: Path | None
) -> Labelled:
    files = form.files
    if form.name == "cvat":
        return read_cvat(files, root, line_width, images)
    if form.name == "voc":
        return read_voc(root)
    if form.name == "cvat_masks":
        return read_cvat_masks(files, root)
    if form.name == "label_studio":
        return read_label_studio(files, root, line_width)
    if form.name == "via":
        return read_via(files, root, line_width, label_key)
    if form.name == "supervisely":
        return read_supervisely(files, root, line_width)
    return read_yolo(files, root if root.is_dir() else root.parent)
