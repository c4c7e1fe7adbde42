"""Starting from another model: everything that fits, classes matched by name."""

from collections.abc import Sequence
from pathlib import Path

import torch

from vit_adapter.config import InputError
from vit_adapter.heads import CLASS_LAYERS
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.channels import convert_channels
from vit_adapter.weights.files import is_weights_file, read_state_dict
from vit_adapter.weights.load import fit_state
from vit_adapter.weights.model_folder import find_model_folder, read_model_folder
from vit_adapter.weights.official import from_official

FIRST_CONVOLUTIONS = (
    "backbone.vit.patch_embed.proj.weight",
    "backbone.vit.visual_embed.patch_embed.proj.weight",
    "backbone.spatial_prior.stem.0.weight",
)
"""The layers that see the image's channels."""
STAGE_NORMS = "backbone.stage_norms."
"""The norms over the ViT's part of a pyramid with ``pyramid_gate``."""


def start_from(model: Segmenter, source: str, as_published: bool = False) -> str:
    """Gives a model the weights of another one.

    Args:
        model: The new model; changed in place.
        source: A model or run folder, a run's checkpoint (its averaged weights where it has some; ``#model``: those of
            the last step), a checkpoint in official form, or a file of a model's ``state_dict()``.
        as_published: Take the classifier too where its shape is the same, and initialise it where it is not, as
            the official code does (behaviour 103); otherwise its rows go to the class of the same name, never to the
            same number (S61).

    Returns:
        A line that says what was taken over and what starts from scratch.

    Raises:
        InputError: There is no such model, or nothing of it fits.
    """
    own = model.state_dict()
    state, names, pretrained, told = _read(source, own)
    state, converted = _first_convolutions(state, own)
    # A classifier's rows are matched by name, below.
    rest = {
        name: value
        for name, value in state.items()
        if as_published or not name.startswith(tuple(CLASS_LAYERS))
    }
    taken, _ = fit_state(own, rest, on_mismatch="keep", where=f"--init {source}")
    if not any(name.startswith("backbone.") for name in taken):
        raise InputError(
            f"--init {source}: none of its backbone weights fits; build the same ViT and adapter"
        )
    kept = set() if as_published else _rows_by_name(own, state, model.class_names, names, taken)
    fresh = sorted(own.keys() - taken.keys())
    with torch.no_grad():
        model.load_state_dict({**own, **taken})
    model.training_facts = {"pretrained": pretrained}
    text = f"started from {source}: {len(taken)} of {len(own)} tensors{told}"
    if fresh:
        text += f"; new: {', '.join(fresh[:4])}{' ...' if len(fresh) > 4 else ''}"
    if any(name.startswith(STAGE_NORMS) for name in fresh) and "backbone.norms.0.weight" in taken:
        text += "; it has no pyramid_gate, so its adapter fits better with --model.backbone.pyramid_gate none"
    text += converted
    if as_published:
        return text
    matched = [name for name in model.class_names if name in kept]
    new = [name for name in model.class_names if name not in kept]
    text += f"; classes taken over by name: {', '.join(matched) or 'none'}"
    return text + (f"; new classes: {', '.join(new)}" if new else "")


def _first_convolutions(
    state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], str]:
    """The weights with first convolutions for the model's number of channels, and a text about them."""
    state = dict(state)
    before = after = 0
    for name in FIRST_CONVOLUTIONS:
        if name not in state or name not in own or state[name].shape[2:] != own[name].shape[2:]:
            continue
        wanted = own[name].shape[1]
        kernel = convert_channels(state[name], wanted)
        if kernel is not state[name]:
            before, after = state[name].shape[1], wanted
            state[name] = kernel
    return state, f"; first convolutions converted from {before} to {after} channels" if after else ""


def _rows_by_name(
    own: dict[str, torch.Tensor],
    state: dict[str, torch.Tensor],
    class_names: Sequence[str],
    names: Sequence[str] | None,
    taken: dict[str, torch.Tensor],
) -> set[str]:
    """Puts classifiers into ``taken`` whose rows go to classes of the same name; returns the names found."""
    kept: set[str] = set()
    for classifier, extra in CLASS_LAYERS.items():
        for key in (f"{classifier}.weight", f"{classifier}.bias"):
            if names is None or key not in own or key not in state:
                continue
            if own[key].shape[1:] != state[key].shape[1:] or len(state[key]) != len(names) + extra:
                continue
            merged = own[key].clone()
            for row, name in enumerate(class_names):
                if name in names:
                    merged[row] = state[key][names.index(name)]
                    kept.add(name)
            if extra:
                merged[-extra:] = state[key][-extra:]
            taken[key] = merged
    return kept


def _read(
    source: str, own: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], list[str] | None, bool | None, str]:
    """Tensors under our names, names of the classes and whether they come from a published ViT, where known, a note."""
    folder = None if is_weights_file(source) else find_model_folder(Path(source))
    if folder is not None:
        config, state = read_model_folder(folder)
        facts = config.get("training") or {}
        return state, list(config["classes"]["names"]), facts.get("pretrained"), ""
    state, file = read_state_dict(source)
    found, _ = file.classes()
    names = None if found is None else list(found)
    if "run" in file.values:
        facts = (file.values.get("segmenter") or {}).get("training") or {}
        return state, names, facts.get("pretrained"), f" ({'; '.join(file.notes)})"
    if any(name.startswith("backbone.vit.") for name in state):  # our own names
        return state, names, None, ""
    try:
        return from_official(state), names, True, ""
    except InputError as error:
        raise InputError(
            f"--init {source}: 0 of {len(own)} tensors matched; the file has e.g. {next(iter(state))!r}, the model "
            f"e.g. {next(iter(own))!r} ({error})"
        ) from error
