"""A model folder: ``config.json`` (everything needed to build it) and ``model.safetensors``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def find_model_folder(path: Path) -> Path | None:
    """The model folder that a path means: itself, or the best model of a run folder; None where there is no folder.

    Raises:
        InputError: It is a folder without a model.
    """
    folder = next(filter(_is_model, _places(path)), None)
    if folder is not None:
        return folder
    if path.is_dir():
        last = path / "last.ckpt"
        hint = f"; {last} can be given itself" if last.is_file() else ""
        models = [
            run for run in sorted(path.iterdir()) if run.name != "best" and any(map(_is_model, _places(run)))
        ]
        if models:
            more = f" and {len(models) - 5} more" if len(models) > 5 else ""
            hint += f"; the folders in it that do: {', '.join(map(str, models[:5]))}{more}"
        raise InputError(
            f"{path}: holds no model (config.json and model.safetensors), nor does its folder best/{hint}"
        )
    return None


def _is_model(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


def _places(path: Path) -> tuple[Path, Path, Path]:
    """Where the model of a folder, or of a run's, can be."""
    return path, path / "best", path / "last"
