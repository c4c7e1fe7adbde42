"""A model folder: ``config.json`` (everything needed to build it) and ``model.safetensors``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.config.model_versions import upgrade_model

from .files import read_state_dict

FORMAT, VERSION = "vit-adapter", 2
CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"


def write_model_folder(
    folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor], card: str | None = None
) -> None:
    """Writes a model folder; every file is written beside its place and renamed.

    Args:
        folder: Made if it is missing.
        config: Plain JSON values.
        state: Tensors by name.
        card: Text of a model card; an existing one is left alone.

    Raises:
        InputError: The folder cannot be written (disk full, no permission ...).
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    text = json.dumps({"format": FORMAT, "version": VERSION, **config}, indent=2, ensure_ascii=False)
    # Weights first: a folder with a configuration is complete.
    write_atomically(folder / WEIGHTS_FILE, lambda path: save_file(tensors, path, metadata={"format": "pt"}))
    write_atomically(folder / CONFIG_FILE, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    if card is not None and not (folder / CARD_FILE).exists():
        write_atomically(folder / CARD_FILE, lambda path: path.write_text(card, encoding="utf-8"))


def read_model_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and tensors of a model folder.

    Raises:
        InputError: A file is missing or damaged, or the folder is of another kind or of a newer version.
    """
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model folder")
    if not path.is_file():
        raise InputError(f"{folder}: no {CONFIG_FILE} there, so this is not a model folder")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise InputError(f"{path}: format is not {FORMAT!r}, so another program wrote this folder")
    if config.get("version") not in (1, VERSION):
        raise InputError(
            f"{path}: version {config.get('version')!r}, this program reads versions 1 to {VERSION}"
        )
    if config["version"] == 1 and isinstance(config.get("model"), dict):
        config["model"] = upgrade_model(config["model"])
    state, _ = read_state_dict(folder / WEIGHTS_FILE)
    return config, state


def load_exactly(module: torch.nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Puts tensors into a module that must have just these.

    Raises:
        InputError: Names or shapes differ; the message names examples.
    """
    own = module.state_dict()
    missing, left_over = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [name for name in own.keys() & state.keys() if own[name].shape != state[name].shape]
    if missing or left_over or shapes:
        parts = []
        if missing:
            parts.append(f"{len(missing)} weights missing, such as {missing[0]}")
        if left_over:
            parts.append(f"{len(left_over)} left over, such as {left_over[0]}")
        if shapes:
            name = sorted(shapes)[0]
            parts.append(f"{name} is {tuple(state[name].shape)}, expected {tuple(own[name].shape)}")
        raise InputError(f"{where}: does not fit the model: {'; '.join(parts)}")
    module.load_state_dict(dict(state))
