"""Published models by name."""

import difflib
from dataclasses import replace
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.config.values import check_kind

from .ade20k import ADE20K
from .dinov3 import DINOV3
from .modern import MODERN
from .other_datasets import OTHERS
from .recipe import OwnData, Recipe

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*ADE20K, *OTHERS)}
"""Those of ViT-Adapter's authors, without aliases."""
MORE_RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*DINOV3, *MODERN)}
"""DINOv3's published model, and our own."""

OWN_DATA = OwnData()


def list_recipes() -> list[str]:
    """Names of all recipes: ViT-Adapter's published models, DINOv3's, and our own for modern ViTs."""
    return list(all_recipes())


def all_recipes() -> dict[str, Recipe]:
    """Every recipe by its name."""
    return {**RECIPES, **MORE_RECIPES}


def find_recipe(name: str) -> Recipe | None:
    """A recipe by its name or by the name of its official configuration; None if there is none.

    Args:
        name: With ``_ss`` or ``_ms`` at the end, the single-scale or multi-scale test is set.
    """
    known = all_recipes()
    if name in known:
        return known[name]
    if name.endswith("_ms") and name[:-3] in known:
        return replace(known[name[:-3]], variant="ms")
    if name.endswith("_ss"):
        return known.get(name[:-3])
    return None


def get_recipe(name: str) -> Recipe | OwnData:
    """A published model by its name, or under ``own_data`` the settings for your own data.

    Raises:
        InputError: There is none of that name; the message names near ones.
    """
    check_kind("name", name, str, "the name of a recipe, such as 'own_data'")
    if name == OWN_DATA.name:
        return OWN_DATA
    recipe = find_recipe(name)
    if recipe is None:
        raise InputError(_unknown(name))
    return recipe


def _unknown(name: str) -> str:
    path = Path(name).expanduser()
    if path.is_dir() and (path / "config.yaml").is_file():
        return (
            f"{name}: is the folder of a run, expected the name of a recipe; --resume {name} goes on with it, "
            f"--init {name} begins a new run with its weights"
        )
    if path.is_dir():
        return (
            f"{name}: is a folder, expected the name of a recipe; to train on the images in it: "
            f"vit-adapter train --data.root {name}"
        )
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        return f"{name}: is a file of settings, expected the name of a recipe; give it with --config {name}"
    if path.is_file():
        return (
            f"{name}: is a file, expected the name of a recipe; weights are given with --checkpoint (eval, predict) or "
            "--init (train)"
        )
    near = difflib.get_close_matches(name, all_recipes(), n=3, cutoff=0.6)
    words = [word for word in name.lower().replace("-", "_").split("_") if word]
    if not near and words:
        # Parts of a name, such as "deit_tiny", are too short for the measure above.
        near = [known for known in all_recipes() if all(word in known for word in words)][:3]
    hint = f"near: {', '.join(near)}" if near else "`vit-adapter zoo` lists all"
    return f"{name!r}: no such recipe; {hint}"
