"""``vit-adapter recipe NAME``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Prints a recipe as YAML: what ``--config`` takes."""
    parser = make_parser("recipe", "Prints a recipe as YAML, to change it and give it to `train --config`.")
    parser.add_argument("name", type=str, help="name from `vit-adapter zoo`, or own_data")
    values = parse(parser, words)

    import yaml

    from vit_adapter.config import to_plain
    from vit_adapter.zoo import get_recipe

    recipe = get_recipe(values.name)
    print(yaml.safe_dump(to_plain(recipe.config()), sort_keys=False, allow_unicode=True), end="")
    return 0
