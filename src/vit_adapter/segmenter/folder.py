"""What a model folder, a run's checkpoint or a hub repository says of its model: ``config.json`` and tensors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from vit_adapter.config import (
    ClassTable,
    InferenceConfig,
    InputError,
    ModelConfig,
    TaskName,
    from_plain,
    to_plain,
)
from vit_adapter.weights.files import is_weights_file, read_state_dict
from vit_adapter.weights.model_folder import read_model_folder
from vit_adapter.weights.run_checkpoint import run_description

from .hub import fetch_repository
from .parts import check_number_of_means


@dataclass(frozen=True)
class Description:
    """Everything about a model but its weights.

    Attributes:
        model: What it is made of.
        classes: Its classes.
        protocol: How it is applied to an image.
        training: Where its weights come from, see ``Segmenter.training_facts``.
        task: What it was trained for; None: the first of what its head answers.
    """

    model: ModelConfig
    classes: ClassTable
    protocol: InferenceConfig
    training: dict[str, Any]
    task: TaskName | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` holds beside format and version."""
        # Written only where it says something: files of semantic models stay as they were.
        task = {} if self.task in (None, "semantic") else {"task": self.task}
        return task | {
            "model": to_plain(self.model),
            "classes": self.classes.to_dict(),
            "protocol": to_plain(self.protocol),
            "training": dict(self.training),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Description":
        """What ``to_dict`` wrote; nothing in it asks for pretrained weights.

        Raises:
            InputError: A part is missing or does not fit; ``where`` names the file.
        """
        for part in ("model", "classes", "protocol"):
            if part not in values:
                raise InputError(f"{where}: {part!r} is missing")
        if "normalization" not in values["protocol"]:
            raise InputError(f"{where}: the protocol names no normalization")
        model = from_plain(ModelConfig, values["model"], where).with_pretrained(False)
        protocol = from_plain(InferenceConfig, values["protocol"], where)
        check_number_of_means(protocol.normalization, model.vit.in_chans, where)
        classes = ClassTable.from_dict(values["classes"])
        task = values.get("task")
        if task is not None and task not in get_args(TaskName):
            raise InputError(f"{where}: task is {task!r}, expected one of {', '.join(get_args(TaskName))}")
        return cls(model, classes, protocol, dict(values.get("training") or {}), task)


def read_model(
    source: str | Path, hub: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """Description (as ``config.json`` has it) and tensors of a model, and how messages name its place.

    Args:
        source: Folder, a run's checkpoint, or "owner/name" on the hub.
        hub: Settings for the hub's client.

    Raises:
        InputError: There is no such model, or the file holds weights without a description.
    """
    path = Path(source)
    if is_weights_file(source):
        state, file = read_state_dict(source)
        if "run" not in file.values:
            raise InputError(
                f"{file.path}: a weights file that does not say which model it belongs to; name the recipe and give "
                f"the file with --checkpoint {file.path}, or make a model folder: vit-adapter convert {file.path} "
                "-o FOLDER"
            )
        return run_description(file.values, file.path), state, file.path
    if not path.is_dir():
        path = Path(fetch_repository(str(source), hub or {}))
    config, state = read_model_folder(path)
    return config, state, str(path / "config.json")
