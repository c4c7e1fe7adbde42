"""``vit-adapter data check|convert``."""

from collections.abc import Sequence
from pathlib import Path

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.output_place import check_output_folder

from .parsing import add_sections, make_parser, parse, run_config

HELP = """usage: vit-adapter data check FOLDER [--data.*]       what is in a data set, and what is wrong with it
       vit-adapter data convert SOURCE --out FOLDER  COCO JSON or labelme polygons to a folder of masks

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
    parser = make_parser("data convert", "COCO JSON or labelme polygons to a folder of images and masks.")
    parser.add_argument("source", type=str, help="a COCO JSON file, or a folder of labelme JSON files")
    parser.add_argument(
        "--images", type=str, default=None, help="COCO: folder of the images; that of the JSON by default"
    )
    parser.add_argument("--out", type=str, required=True, help="folder to create")
    parser.add_argument(
        "--skip",
        type=str,
        default="",
        help="what to leave out instead of stopping, separated by commas: broken (objects that cannot be drawn), "
        "unlabeled, unlisted, missing, size, unreadable, double (of images and files), or shape types of labelme such "
        "as point,line; everything left out is counted and listed",
    )
    values = parse(parser, words)

    from vit_adapter.data.conversion import convert_coco, convert_labelme

    check_output_folder(values.out, "--out")
    source = Path(values.source)
    if source.is_dir():
        report = convert_labelme(source, Path(values.out), skip=values.skip)
    else:
        images = Path(values.images) if values.images else source.parent
        report = convert_coco(source, images, Path(values.out), skip=values.skip)
    print(report)
    return 0
