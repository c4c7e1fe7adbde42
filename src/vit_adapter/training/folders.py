"""The run's folder: one for all processes."""

import os
import shlex
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.files import RUN_SETTINGS, system_reason, write_atomically
from vit_adapter.config.plain import to_yaml

from . import processes
from .checkpoints import LAST, PREVIOUS
from .folder_lock import lock_folder
from .printing import print_lines
from .run_state import RunState
from .validation import BEST, recover_model


def resume_command(folder: Path, *words: str) -> str:
    """The command that continues a run, from any folder."""
    return shlex.join(["vit-adapter", "train", "--resume", os.path.abspath(folder), *words])


def open_folder(config: RunConfig) -> Path:
    """The run's folder, locked for it: the first process chooses it, all use it (S55).

    Raises:
        InputError: It cannot be used, or holds a run already.
    """

    def opened() -> Path:
        folder = choose_folder(config)
        make_folder(folder)
        lock_folder(folder)
        return prepare_folder(folder, config)

    return processes.broadcast(processes.on_first_process(opened))


def keep_folder(folder: Path, config: RunConfig, state: RunState, console: Console) -> None:
    """Make the folder again if somebody deleted or renamed it: what was learnt is not lost with it."""
    if processes.rank() != 0 or (folder / RUN_SETTINGS).exists():
        return
    try:
        prepare_folder(folder, config)
    except InputError as error:
        state.local_trouble = str(error)
        return
    line = f"{folder}: was deleted or renamed while the run wrote into it; made again at step {state.step}"
    print_lines(console, [line])


def choose_folder(config: RunConfig) -> Path:
    """The folder that ``training.out`` names, or a new one under ``runs/`` with the time in its name.

    Raises:
        InputError: It holds a run already and this one is not to continue it.
    """
    if config.training.out is None:
        return _new_folder(config.model.vit.name)
    folder = Path(config.training.out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"training.out={folder}: a file of that name exists, expected a folder")
    if not config.training.resume and any((folder / name).exists() for name in (LAST, PREVIOUS)):
        raise InputError(
            f"training.out={folder}: a run exists there already; continue it with {resume_command(folder)}, or choose "
            "another folder"
        )
    return folder


def make_folder(folder: Path) -> None:
    """Make a folder if it is not there.

    Raises:
        InputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {system_reason(error)}") from error


def prepare_folder(folder: Path, config: RunConfig) -> Path:
    """Make the folder and write the run's settings into it, as a file that ``--config`` and ``--resume`` take.

    Raises:
        InputError: It cannot be written.
    """
    settings = with_absolute_paths(config)
    training = replace(settings.training, out=os.path.abspath(folder), resume=False)
    text = to_yaml(replace(settings, training=training))
    write_atomically(folder / RUN_SETTINGS, lambda path: path.write_text(text, encoding="utf-8"))
    recover_model(folder / BEST)
    return folder


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """The same settings, independent of the working folder: names of files that are there become absolute."""

    def absolute(value: Any) -> Any:
        there = isinstance(value, str) and value not in ("", "auto") and os.path.exists(value)
        return os.path.abspath(value) if there else value

    data, model, training = config.data, config.model, config.training
    return replace(
        config,
        data=replace(data, root=absolute(data.root), classes=absolute(data.classes)),
        model=model.with_pretrained(absolute(model.vit.pretrained)),
        training=replace(
            training, init=absolute(training.init), class_weights=absolute(training.class_weights)
        ),
    )


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
