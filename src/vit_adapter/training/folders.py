"""The run's folder: one for all processes."""

from datetime import datetime
from pathlib import Path

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.files import system_reason, write_atomically
from vit_adapter.config.plain import to_yaml

from .checkpoints import LAST, PREVIOUS
from .validation import BEST, recover_model

CONFIG_FILE = "config.yaml"


def choose_folder(config: RunConfig) -> Path:
    """The folder that ``training.out`` names, or a new one under ``runs/`` with the time in its name.

    Raises:
        InputError: It holds a run already and this one is not to continue it.
    """
    if config.training.out is None:
        return _new_folder(config.model.vit)
    folder = Path(config.training.out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"training.out={folder}: a file of that name is there, expected a folder")
    if not config.training.resume and any((folder / name).exists() for name in (LAST, PREVIOUS)):
        raise InputError(
            f"training.out={folder}: a run is there already; continue it with --resume or choose another folder"
        )
    return folder


def prepare_folder(folder: Path, config: RunConfig) -> Path:
    """Make the folder and write the run's settings into it, as a file that ``--config`` takes.

    Raises:
        InputError: It cannot be written.
    """
    text = to_yaml(config)
    write_atomically(folder / CONFIG_FILE, lambda path: path.write_text(text, encoding="utf-8"))
    recover_model(folder / BEST)
    return folder


def _new_folder(vit: str) -> Path:
    name = f"{vit.replace('/', '_')}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1, 1000):
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"{folder}: cannot be made: {system_reason(error)}") from error
        return folder
    raise InputError(f"runs/{name}: all names up to {name}-999 are taken")
