"""The recipes as a table."""

from vit_adapter.config import InputError

from .pretraining import DINOV3_LICENCE, MODEL_LICENCE
from .recipe import UNTRAINED, Recipe
from .recipes import all_recipes, find_recipe


def matching_recipes(pattern: str = "") -> list[Recipe]:
    """Recipes whose name contains every word of ``pattern``, or that an official configuration name means.

    Raises:
        InputError: There is none.
    """
    exact = find_recipe(pattern)
    if exact is not None:
        return [exact]
    words = pattern.lower().replace("-", "_").split()
    known = all_recipes()
    found = [recipe for recipe in known.values() if all(word in recipe.name for word in words)]
    if not found:
        raise InputError(f"{pattern!r}: in the name of none of the {len(known)} recipes")
    return found


def print_recipes(pattern: str = "", *, long: bool = False) -> None:
    """Prints the recipes: name, parameters, published score, licences, and whether a checkpoint is there.

    Args:
        pattern: Only names that contain its words.
        long: With the addresses of checkpoint and pretraining.

    Raises:
        InputError: No name contains them.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    recipes = matching_recipes(pattern)
    table = Table(box=None, pad_edge=False)
    for title, justify in (("recipe", "left"), ("parameters", "right"), ("score SS / MS", "right")):
        table.add_column(title, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
    for title in ("pretraining (licence)", "checkpoint"):
        table.add_column(title, no_wrap=True)
    for recipe in recipes:
        table.add_row(
            Text(recipe.name),
            f"{recipe.parameters:,}",
            _scores(recipe),
            f"{recipe.source.label} ({recipe.source.licence})",
            _checkpoint(recipe),
        )
    # Names are there to be copied: wider than the terminal rather than cut.
    console = Console(width=max(Console().width, Console(width=1000).measure(table).maximum))
    console.print(table)
    console.print(f"Published checkpoints: {MODEL_LICENCE}; the licence of the pretraining holds beside it.")
    if any(recipe.origin == "dinov3" for recipe in recipes):
        console.print(f"DINOv3's files: {DINOV3_LICENCE}; their authors give them to those who accept it.")
    if long:
        for recipe in recipes:
            print(f"\n{recipe.name}\n  checkpoint:  {recipe.checkpoint_url or 'not published'}")
            print(f"  pretraining: {recipe.source.url or recipe.source.homepage}")
            if recipe.start is not None:
                print(f"  starts from: {recipe.start}")
            print(f"  data set:    {recipe.data.title}, {recipe.data.homepage}")


def _checkpoint(recipe: Recipe) -> str:
    if recipe.origin == "own":
        return UNTRAINED
    if recipe.origin == "dinov3":
        return "at its authors'"
    return "yes" if recipe.checkpoint_url else "not published"


def _scores(recipe: Recipe) -> str:
    if recipe.score is None:
        return "-"
    text = f"{recipe.score:.1f} / " + (
        "-" if recipe.multi_scale_score is None else f"{recipe.multi_scale_score:.1f}"
    )
    return text if recipe.metric == "mIoU" else f"{text} {recipe.metric}"
