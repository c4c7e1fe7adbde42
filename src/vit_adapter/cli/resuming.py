"""``train --resume FOLDER``: the run's own settings precede those that were typed."""

import os
from collections.abc import Sequence
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.config.files import RUN_SETTINGS

FOLDER_OPTIONS = ("--out", "--training.out")


def with_run_settings(words: Sequence[str]) -> list[str]:
    """Words of a command that goes on with a run, with the settings that the run was started with before them.

    ``--resume FOLDER`` (or a checkpoint in it) and ``--resume --out FOLDER`` say the same; what else is given changes
    the run's settings. Without ``--resume`` the words stay as they are.

    Args:
        words: Arguments after ``vit-adapter train``.

    Raises:
        InputError: The folder holds no run, or two folders are named.
    """
    rest, resume, named, out = [], False, None, None
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option, equals, value = word.partition("=")
        takes_value = option == "--resume" or option in FOLDER_OPTIONS
        if takes_value and not equals and queue and not queue[0].startswith("-"):
            value = queue.pop(0)
        if option == "--resume":
            resume, named = True, value or None
        elif option in FOLDER_OPTIONS and value:
            out = value
        else:
            rest.append(word)
    if not resume or (named is None and out is None):
        return list(words)
    folder = Path(os.path.expanduser(named or out or ""))
    if named is not None and folder.suffix == ".ckpt":
        folder = folder.parent
    if named is not None and out is not None and not _same(folder, Path(os.path.expanduser(out))):
        raise InputError(
            f"--resume {named} and --out {out}: two folders, expected that of the run to continue"
        )
    settings = folder / RUN_SETTINGS
    own = ["--config", str(settings)] if settings.is_file() else []
    if named is not None and not own:
        reason = "not there" if not folder.exists() else "no settings of a run in it"
        near = f"; did you mean {folder.parent}?" if (folder.parent / RUN_SETTINGS).is_file() else ""
        raise InputError(
            f"--resume {folder}: {reason}; expected the folder of a run, with {RUN_SETTINGS}{near}"
        )
    recipe = [rest.pop(0)] if rest and not rest[0].startswith("-") else []
    return [*recipe, *own, *rest, "--out", str(folder), "--resume"]


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
