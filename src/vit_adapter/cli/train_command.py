"""``vit-adapter train [RECIPE]``."""

from collections.abc import Sequence

from .parsing import add_sections, make_parser, parse, run_config, split_recipe
from .resuming import with_run_settings


def run(words: Sequence[str]) -> int:
    """Trains a model."""
    from vit_adapter.zoo import get_recipe

    words = with_run_settings(words)
    recipe = split_recipe(words)
    defaults = get_recipe(recipe or "own_data").config()
    parser = make_parser(
        "train",
        "Trains on a folder of pictures and masks (--data.root FOLDER), or by a published recipe. Without a recipe, "
        "the settings of own_data apply.",
    )
    parser.add_argument("recipe", type=str, nargs="?", default="own_data", help="name from `vit-adapter zoo`")
    add_sections(parser, defaults, ["model", "data", "training", "evaluation"])
    for option, field in (("--seed", "seed"), ("--out", "out"), ("--init", "init")):
        parser.add_argument(option, default=None, help=f"the same as --training.{field}")
    text = "go on with the run in this folder (--resume FOLDER), with its own settings and what else is given"
    parser.add_argument("--resume", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and stop")
    values = parse(parser, words)
    for option in ("seed", "out", "init"):
        if values[option] is not None:
            values[f"training.{option}"] = int(values.seed) if option == "seed" else values[option]
    for option in ("resume", "quiet"):
        if values[option]:
            values[f"training.{option}"] = True
    config = run_config(parser, values, defaults)

    from vit_adapter import api

    api.train(config, recipe=recipe, dry_run=values.dry_run)
    return 0
