"""``vit-adapter eval MODEL --data.root FOLDER``."""

from collections.abc import Sequence
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from vit_adapter.config import RunConfig

from .parsing import add_sections, add_task, make_parser, parse, protocol_changes, run_config, split_recipe


def run(words: Sequence[str]) -> int:
    """Measures a model."""
    name = split_recipe(words)
    parser, values, defaults = _parsed(words, name)
    if values.model != name:  # it comes after flags; a recipe's settings are the defaults of all others
        parser, values, defaults = _parsed(words, values.model)
    if values.limit is not None:
        values["evaluation.limit"] = values.limit
    config = run_config(parser, values, defaults)

    from vit_adapter import api

    api.evaluate(
        values.model,
        config.data,
        config.evaluation,
        checkpoint=values.checkpoint,
        protocol=protocol_changes(values),
        out=values.out,
        split=values.split,
        quiet=values.quiet,
        task=values.task,
    )
    return 0


def _parsed(words: Sequence[str], name: str | None) -> tuple[ArgumentParser, Namespace, RunConfig]:
    """The words, with the settings of a recipe as defaults, where the model is one."""
    from vit_adapter.zoo import find_detection_recipe, find_recipe

    recipe = find_recipe(name or "") or find_detection_recipe(name or "")
    defaults = RunConfig() if recipe is None else recipe.evaluation_config()
    parser = make_parser(
        "eval", "Measures a model on a part of a data set, the validation images if none is named."
    )
    parser.add_argument(
        "model", type=str, help="model or run folder, recipe name, or hub repository owner/name"
    )
    parser.add_argument(
        "--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'"
    )
    parser.add_argument(
        "--out",
        type=str,
        default=None,
        help="folder for metrics.json, images.csv, confusion matrix, worst images",
    )
    parser.add_argument(
        "--limit", type=int, default=None, help="measure only this many images, from the first on"
    )
    parser.add_argument(
        "--split",
        type=Literal["val", "train", "test"],
        default="val",
        help="part of the data set; test where it has one",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_task(parser, "what it was trained for")
    add_sections(parser, defaults, ["data", "evaluation"])
    return parser, parse(parser, words), defaults
