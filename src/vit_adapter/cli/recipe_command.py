"""``vit-adapter recipe NAME``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Prints a recipe as YAML: what ``--config`` takes."""
    parser = make_parser("recipe", "Prints a recipe as YAML, to change it and give it to `train --config`.")
    parser.add_argument("name", type=str, help="name from `vit-adapter zoo`, or own_data")
    values = parse(parser, words)

    from vit_adapter.config.plain import to_yaml
    from vit_adapter.zoo import find_detection_recipe, get_recipe

    recipe = find_detection_recipe(values.name) or get_recipe(values.name)
    print(to_yaml(recipe.config()), end="")
    return 0
