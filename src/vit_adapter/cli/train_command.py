"""``vit-adapter train [RECIPE]``."""

from collections.abc import Sequence
from dataclasses import replace

from jsonargparse import ArgumentParser, Namespace

from vit_adapter.config import RunConfig

from .model_settings import current_words, model_of_kinds
from .parsing import add_sections, add_task, fail, make_parser, parse, run_config, split_recipe
from .resuming import with_run_settings


def run(words: Sequence[str]) -> int:
    """Trains a model."""
    words = with_run_settings(words)
    recipe = split_recipe(words)
    words, notes = current_words(words)
    for note in notes:
        fail(f"note: {note}")
    parser, values, defaults = _parsed(words, recipe)
    if values.recipe != recipe:
        recipe = values.recipe  # it comes after flags; its settings are the defaults of all others
        parser, values, defaults = _parsed(words, recipe)
    for option in ("seed", "out", "init"):
        if values[option] is not None:
            values[f"training.{option}"] = values[option]
    for option in ("resume", "quiet"):
        if values[option]:
            values[f"training.{option}"] = True
    config = run_config(parser, values, defaults)
    if values.task is not None:
        config = replace(config, task=values.task)

    from vit_adapter import api

    api.train(config, recipe=recipe, dry_run=values.dry_run)
    return 0


def _parsed(words: Sequence[str], recipe: str | None) -> tuple[ArgumentParser, Namespace, RunConfig]:
    """The words, with the settings of a recipe as defaults."""
    from vit_adapter.zoo import find_detection_recipe, get_recipe

    name = recipe or "own_data"
    defaults = (find_detection_recipe(name) or get_recipe(name)).config()
    defaults = replace(defaults, model=model_of_kinds(defaults.model, words))
    parser = make_parser(
        "train",
        "Trains on a folder of images and masks (--data.root FOLDER), or by a published recipe. Without a recipe, "
        "the settings of own_data apply.",
    )
    parser.add_argument("recipe", type=str, nargs="?", default=None, help="name from `vit-adapter zoo`")
    add_sections(parser, defaults, ["model", "data", "training", "evaluation"])
    add_task(parser, "the most telling one that data and head allow")
    for option, kind in (("seed", int), ("out", str), ("init", str)):
        text = f"the same as --training.{option}"
        parser.add_argument(f"--{option}", type=kind | None, default=None, help=text)
    text = (
        "continue the run in this folder (--resume FOLDER), with its own settings and any others given here"
    )
    parser.add_argument("--resume", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and stop")
    return parser, parse(parser, words), defaults
