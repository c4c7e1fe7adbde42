"""Starting from another model: everything that fits, classes matched by name."""

from pathlib import Path

import torch

from vit_adapter.config import InputError
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.files import read_state_dict
from vit_adapter.weights.model_folder import read_model_folder
from vit_adapter.weights.official import from_official

from .models import model_folder

CLASSIFIERS = ("head.classifier", "auxiliary_head.classifier")


def start_from(model: Segmenter, source: str) -> str:
    """Gives a model the weights of another one.

    Args:
        model: The new model; changed in place.
        source: A model or run folder, or a checkpoint in official form.

    Returns:
        A line that says what was taken over and what starts anew. Rows of the classifier go to the class of the
        same name, never to the same number (S61).

    Raises:
        InputError: There is no such model, or nothing of it fits.
    """
    state, names = _read(source)
    own = model.state_dict()
    taken = {
        name: value
        for name, value in state.items()
        if name in own and own[name].shape == value.shape and not name.startswith(CLASSIFIERS)
    }
    if not any(name.startswith("backbone.") for name in taken):
        raise InputError(
            f"--init {source}: none of its backbone weights fits; build the same ViT and adapter"
        )
    kept = []
    for classifier in CLASSIFIERS:
        for part in ("weight", "bias"):
            key = f"{classifier}.{part}"
            if (
                key in own
                and key in state
                and names is not None
                and own[key].shape[1:] == state[key].shape[1:]
            ):
                merged = own[key].clone()
                for row, name in enumerate(model.class_names):
                    if name in names:
                        merged[row] = state[key][names.index(name)]
                        kept.append(name)
                taken[key] = merged
    fresh = sorted(own.keys() - taken.keys())
    with torch.no_grad():
        model.load_state_dict({**own, **taken})
    matched = [name for name in model.class_names if name in kept]
    new = [name for name in model.class_names if name not in kept]
    text = f"started from {source}: {len(taken)} of {len(own)} tensors"
    if fresh:
        text += f"; new: {', '.join(fresh[:4])}{' ...' if len(fresh) > 4 else ''}"
    text += f"; classes taken over by name: {', '.join(matched) or 'none'}"
    return text + (f"; new classes: {', '.join(new)}" if new else "")


def _read(source: str) -> tuple[dict[str, torch.Tensor], list[str] | None]:
    """Tensors under our names, and the names of the classes where they are known."""
    folder = model_folder(Path(source))
    if folder is not None:
        config, state = read_model_folder(folder)
        return state, list(config["classes"]["names"])
    state, file = read_state_dict(source)
    names, _ = file.classes()
    return from_official(state), None if names is None else list(names)
