"""``vit-adapter data check|convert``."""

from collections.abc import Sequence

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.output_place import check_output_folder

from .parsing import add_sections, make_parser, parse, run_config

HELP = """usage: vit-adapter data check FOLDER [--data.*]       what is in a data set, and what is wrong with it
       vit-adapter data convert SOURCE --out FOLDER  what a labelling tool wrote to a folder of masks and objects

vit-adapter data check --help and vit-adapter data convert --help explain the options."""


def run(words: Sequence[str]) -> int:
    """Checks or converts a data set; exit code 2 when the check finds an error."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if words[0] == "check":
        return _check(words[1:])
    if words[0] == "convert":
        return _convert(words[1:])
    raise InputError(f"data {words[0]!r}: expected check or convert")


def _check(words: Sequence[str]) -> int:
    parser = make_parser("data check", "Says what is in a data set and what is wrong with it.")
    parser.add_argument("folder", type=str, nargs="?", default=None, help="the same as --data.root")
    parser.add_argument(
        "--sample", type=int, default=None, help="check only this many images; all by default"
    )
    parser.add_argument(
        "--sheet", type=str, default="data_check.png", help="contact sheet of overlays; '' for none"
    )
    add_sections(parser, RunConfig(), ["data"])
    values = parse(parser, words)
    if values.folder is not None:
        values["data.root"] = values.folder
    config = run_config(parser, values, RunConfig()).data

    from vit_adapter import api

    return 0 if api.check_data(config, sample=values.sample, sheet=values.sheet or None) else 2


def _convert(words: Sequence[str]) -> int:
    parser = make_parser(
        "data convert",
        "What a labelling tool wrote to a folder of images, masks and objects: CVAT (XML of images and videos, masks), "
        "Label Studio (JSON, JSON-MIN), labelme, X-AnyLabeling, Supervisely, VIA, YOLO, Pascal VOC, COCO JSON.",
    )
    parser.add_argument(
        "source",
        type=str,
        help="the folder with the annotations, or the file (COCO JSON, XML, export, data.yaml)",
    )
    parser.add_argument(
        "--images",
        type=str,
        default=None,
        help="folder of the images, where they are not beside the annotations; of CVAT's tracks also the video",
    )
    parser.add_argument("--out", type=str, required=True, help="folder to create")
    parser.add_argument(
        "--line-width",
        type=float,
        default=None,
        help="draw lines so many pixels wide, and points so many across",
    )
    parser.add_argument(
        "--stuff",
        type=str,
        default="",
        help="classes that are regions, such as sky,road, not objects to count",
    )
    parser.add_argument(
        "--label-key", type=str, default=None, help="VIA: the region attribute that holds the class"
    )
    parser.add_argument(
        "--skip",
        type=str,
        default="",
        help="what to leave out instead of stopping, separated by commas: broken (objects that cannot be drawn), "
        "point, line, cuboid, skeleton, unknown (shapes), unlabeled, unlisted, missing, size, unreadable, double (of "
        "images and files), or other shape types of labelme; everything left out is counted and listed",
    )
    values = parse(parser, words)

    from vit_adapter.data.conversion import convert

    check_output_folder(values.out, "--out")
    report = convert(
        values.source,
        values.out,
        images=values.images,
        skip=values.skip,
        line_width=values.line_width,
        label_key=values.label_key,
        stuff=values.stuff,
    )
    print(report)
    return 0
