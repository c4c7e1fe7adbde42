"""Models by name: built, loaded."""

import os
from pathlib import Path

import torch

from vit_adapter.config import ClassTable, InputError
from vit_adapter.config.paths import near_path, takes_paths
from vit_adapter.config.values import check_kind
from vit_adapter.images import IMAGE_SUFFIXES
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.files import is_weights_file
from vit_adapter.weights.model_folder import find_model_folder
from vit_adapter.zoo import (
    DetectionRecipe,
    OwnData,
    Recipe,
    find_detection_recipe,
    find_recipe,
    get_recipe,
)

from .published import load_published


def choose_device(name: str = "auto") -> torch.device:
    """A device by name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        InputError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name!r}: expected auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name!r}: no CUDA device here; take cpu or auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"--device {name!r}: no MPS device here; take cpu or auto")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device {name!r}: expected auto, cpu, cuda, cuda:N or mps")
    return device


def build(name: str, *, num_classes: int | None = None) -> Segmenter:
    """A published model with random weights; no network is needed.

    Args:
        name: Recipe, as ``list_recipes`` or ``list_detection_recipes`` gives it.
        num_classes: Number of classes; None: the recipe's, with their names.

    Raises:
        InputError: The recipe is unknown.
    """
    recipe = find_detection_recipe(name) or get_recipe(name)
    config = recipe.config()
    classes = recipe.classes() if num_classes is None else ClassTable.numbered(num_classes)
    protocol = None if isinstance(recipe, OwnData) else recipe.test_protocol
    task = recipe.task if isinstance(recipe, DetectionRecipe) else None
    return Segmenter.from_config(config.model.with_pretrained(False), classes, protocol, task)


@takes_paths("name", "checkpoint", "vit")
def load(
    name: str | Path,
    checkpoint: str | Path | None = None,
    *,
    device: str = "cpu",
    vit: str | Path | None = None,
) -> Segmenter:
    """A trained model: weights or an error, never a model without weights.

    Args:
        name: Model or run folder, a run's checkpoint (``last.ckpt``; ``last.ckpt#model``), hub repository
            "owner/name", or recipe.
        checkpoint: For a recipe: "published" (downloaded if it is not there) or a file in official form.
        device: Device that it is moved to; "auto": CUDA where there is one.
        vit: For a recipe whose checkpoint lacks the ViT (DINOv3's): the ViT's own file.

    Returns:
        The model in evaluation mode; ``load_report`` tells what was loaded from an official file.

    Raises:
        InputError: There is no such model, or its weights do not fit.
    """
    return load_named(name, checkpoint, device, vit)[0]


@takes_paths("name", "checkpoint", "vit")
def load_named(
    name: str | Path,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    vit: str | Path | None = None,
) -> tuple[Segmenter, Recipe | DetectionRecipe | None]:
    """As ``load``, with the recipe where the name is one; a folder of that name comes first."""
    check_kind("the model", name, (str, os.PathLike), "a path, the name of a recipe, or a hub repository")
    target = choose_device(device)
    if Path(name).suffix.lower() in IMAGE_SUFFIXES and Path(name).is_file():
        raise InputError(f"{name}: is an image, expected a model; it is named before the images")
    folder = find_model_folder(Path(name))
    if folder is not None:
        if checkpoint is not None:
            raise InputError(
                f"{name} is a model folder with weights of its own; leave out checkpoint={checkpoint}"
            )
        return Segmenter.from_pretrained(folder).to(target), None
    recipe = find_recipe(str(name)) or find_detection_recipe(str(name))
    if recipe is not None:
        return load_published(recipe, checkpoint or "published", vit).to(target), recipe
    if vit is not None:
        raise InputError(f"{name} is no recipe, so it has its own ViT; leave out vit={vit}")
    if is_weights_file(name):
        if checkpoint is not None:
            raise InputError(f"{name} is a file with weights of its own; leave out checkpoint={checkpoint}")
        return Segmenter.from_pretrained(name).to(target), None
    try:
        if str(name).count("/") != 1:
            get_recipe(str(name))  # names near recipes
        return Segmenter.from_pretrained(name).to(target), None
    except InputError as error:
        text = str(error).replace("no such recipe", "no such recipe, folder or file")
        path = Path(name)
        near = None if "did you mean" in text or path.exists() else near_path(path)
        raise InputError(text if near is None else f"{text}; did you mean {near}?") from error
