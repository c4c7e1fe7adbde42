"""Published checkpoints: loaded, and converted to model folders and back, bit for bit."""

import sys
from pathlib import Path

import torch
from torch import Tensor

from vit_adapter.config import ClassTable, InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.config.output_place import check_output_file, check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.random_state import random_state_kept
from vit_adapter.heads import CLASS_LAYERS, HEADS
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.folder import read_model
from vit_adapter.weights.files import WeightsFile, is_weights_file, read_state_dict
from vit_adapter.weights.load import fit_state
from vit_adapter.weights.model_folder import find_model_folder
from vit_adapter.weights.official import from_official, to_official
from vit_adapter.weights.official_dinov3 import from_dinov3, has_dinov3_form, is_dinov3, to_dinov3
from vit_adapter.zoo import DetectionRecipe, Recipe, find_detection_recipe, get_recipe, list_recipes
from vit_adapter.zoo.download import published_checkpoint

# Where a model's number of classes can be read from its weights.
_CLASSIFIERS = tuple(f"{layer}.bias" for layer in CLASS_LAYERS if layer.startswith("head."))


VIT = "backbone.vit."
"""Beginning of the ViT's entries in a model."""


@takes_paths("checkpoint", "vit")
def load_published(
    recipe: Recipe | DetectionRecipe, checkpoint: str | Path = "published", vit: str | Path | None = None
) -> Segmenter:
    """A recipe's model with weights from a file in official form.

    A file that was fine-tuned on other classes loads too: their number is read from its classifier, names and
    colours from its ``meta``.

    Args:
        recipe: The published model.
        checkpoint: "published": downloaded unless it is in the cache; or a file.
        vit: The ViT's own file, for a checkpoint that lacks the ViT (DINOv3's); where both hold it, this one counts.

    Returns:
        The model in evaluation mode; ``load_report`` tells what happened to every entry.

    Raises:
        InputError: The file is missing or another model's; the message names keys and shapes that differ.
    """
    if checkpoint == "published":
        checkpoint = published_checkpoint(recipe)
    _show_licence(recipe)
    state, file = read_state_dict(checkpoint)
    return _fill(recipe, _ours(state, file), file, vit)


def _show_licence(recipe: Recipe | DetectionRecipe) -> None:
    """Says under which licence a model is, before any of its files is read, where that is none of the usual ones."""
    if isinstance(recipe, Recipe) and recipe.origin == "dinov3":
        print(
            f"{recipe.name}: the weights are under the {recipe.licence} ({recipe.source.homepage}); whoever passes on "
            "them, or what was made of them, passes on that licence as well",
            file=sys.stderr,
            flush=True,
        )


def _ours(state: dict[str, Tensor], file: WeightsFile) -> dict[str, Tensor]:
    if any(name.startswith("backbone.vit.") for name in state):
        return state
    try:
        return from_dinov3(state) if is_dinov3(state) else from_official(state)
    except InputError as error:
        raise InputError(
            f"{file.path}: is not an official checkpoint of a segmentation model: {error}"
        ) from error


def _fill(
    recipe: Recipe | DetectionRecipe,
    state: dict[str, Tensor],
    file: WeightsFile,
    vit: str | Path | None = None,
) -> Segmenter:
    stored = sum(name.startswith(VIT) for name in state)
    if vit is None and not stored:
        source = recipe.source.label if isinstance(recipe, Recipe) else recipe.pretraining
        raise InputError(
            f"{file.path}: holds no ViT; name the file of {source} as well: "
            f"vit-adapter convert {file.path} --recipe {recipe.name} --vit FILE -o FOLDER, or load(..., vit=FILE)"
        )
    with random_state_kept():  # no random weight survives
        model = Segmenter.from_config(
            recipe.config().model.with_pretrained(False if vit is None else str(vit)),
            _classes(recipe, state, file),
            recipe.test_protocol,
            recipe.task if isinstance(recipe, DetectionRecipe) else None,
        )
    own, notes = model.state_dict(), []
    if vit is not None:
        own = {name: value for name, value in own.items() if not name.startswith(VIT)}
        state = {name: value for name, value in state.items() if not name.startswith(VIT)}
        assert model.load_report is not None
        notes = [f"the ViT's weights are those of {vit}: {model.load_report.summary()}"]
        if stored:
            notes.append(f"{stored} entries of another ViT in {file.path} were left out (behaviour 121)")
    chosen, report = fit_state(own, state, file=file, notes=notes)
    model.load_state_dict(chosen, strict=vit is None)
    model.load_report = report
    model.training_facts = {"pretrained": True}
    return model.eval()


def _classes(recipe: Recipe | DetectionRecipe, state: dict[str, Tensor], file: WeightsFile) -> ClassTable:
    """The recipe's classes, or those of a file that was fine-tuned on others."""
    published = recipe.classes()
    name = next((name for name in _CLASSIFIERS if name in state), None)
    if name is None:
        return published
    count = len(state[name]) - HEADS[recipe.model.head.kind].extra_rows
    if count == len(published):
        return published
    names, colours = file.classes()
    if names is not None and len(names) == count:
        return ClassTable(names, tuple(range(count)), colours)
    return ClassTable.numbered(count)


@takes_paths("source", "out", "vit")
def import_official(
    source: str | Path, out: str | Path, recipe: str | None = None, vit: str | Path | None = None
) -> Segmenter:
    """Writes a model folder from a checkpoint in official form.

    Args:
        source: The file, or a run's checkpoint, which needs no recipe.
        out: The folder.
        recipe: The published model; None: found by the names and shapes of its weights.
        vit: The ViT's own file, see ``load_published``.

    Raises:
        InputError: The file is not an official checkpoint, or no recipe or several fit it.
    """
    check_output_folder(out, "--out")
    state, file = read_state_dict(source)
    if "run" in file.values:
        model = Segmenter.from_pretrained(source)
        model.save_pretrained(out)
        print(f"{'; '.join(file.notes)}\nwritten to {out}")
        return model
    ours = _ours(state, file)
    if recipe is None:
        chosen = _recognised(ours, file.path)
    else:
        chosen = find_detection_recipe(recipe) or get_recipe(recipe)
    if not isinstance(chosen, Recipe | DetectionRecipe):
        raise InputError(f"--recipe {recipe}: is not a published model")
    _show_licence(chosen)
    model = _fill(chosen, ours, file, vit)
    model.save_pretrained(out)
    print(f"{chosen.name}\n{model.load_report}\nwritten to {out}")
    return model


def _recognised(state: dict[str, Tensor], where: str) -> Recipe:
    """The recipe whose model has just these backbone weights."""
    backbone = {name: value.shape for name, value in state.items() if name.startswith("backbone.")}
    kinds = {name.split(".")[1] for name in state if name.startswith("head.")}
    fitting = []
    alone = not any(name.startswith(VIT) for name in state)  # DINOv3's second file
    dinov3 = alone or has_dinov3_form(state)
    for name in list_recipes():
        candidate = get_recipe(name)
        assert isinstance(candidate, Recipe)
        if candidate.origin == "own" or (candidate.origin == "dinov3") != dinov3:
            continue
        with torch.device("meta"):
            model = Segmenter.from_config(
                candidate.config().model.with_pretrained(False), candidate.classes()
            )
        own = model.state_dict()
        if alone:
            own = {name: value for name, value in own.items() if not name.startswith(VIT)}
        same = {name: value.shape for name, value in own.items() if name.startswith("backbone.")} == backbone
        if same and kinds == {name.split(".")[1] for name in own if name.startswith("head.")}:
            fitting.append(candidate)
    if not fitting:
        raise InputError(
            f"{where}: no recipe has a model of these weights (see `vit-adapter zoo`); of a model of your own keep the "
            "model folder, or start a run of the same model from these weights with --init"
        )
    # Recipes that share an architecture differ in their data: the classifier decides, as far as it can.
    rows = [len(state[name]) for name in _CLASSIFIERS if name in state]
    named = [
        one
        for one in fitting
        if rows and rows[0] - HEADS[one.model.head.kind].extra_rows == len(one.classes())
    ]
    if len(named) == 1:
        return named[0]
    names = ", ".join(one.name for one in (named or fitting))
    raise InputError(f"{where}: several recipes have such a model; choose one with --recipe: {names}")


@takes_paths("source", "out")
def export_official(source: str | Path, out: str | Path) -> None:
    """Writes a model folder's weights in official form, with class names and colours under ``meta``.

    Args:
        source: The model folder, run folder or a run's checkpoint.
        out: The file to write.

    Raises:
        InputError: The folder is not a model, or a weight has no official name.
    """
    check_output_file(out, "--out")
    place = source if is_weights_file(source) else find_model_folder(Path(source))
    if place is None:
        raise InputError(f"{source}: no such model folder or checkpoint of a run")
    config, state, _ = read_model(place)
    classes = ClassTable.from_dict(config["classes"])
    meta = {
        "CLASSES": list(classes.names),
        "PALETTE": [list(colour) for colour in classes.colours or ()] or None,
    }
    content = {"meta": meta, "state_dict": to_dinov3(state) if has_dinov3_form(state) else to_official(state)}
    write_atomically(out, lambda path: torch.save(content, path))
    print(f"written to {out}")
