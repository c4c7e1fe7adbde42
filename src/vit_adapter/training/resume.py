"""What must be equal to continue a run, and what may be changed with a notice."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from vit_adapter.config import InputError, RunConfig, TrainingConfig, ViTConfig
from vit_adapter.config.model import BACKBONE_CONFIGS, HEAD_CONFIGS, config_of_kind
from vit_adapter.config.model_versions import upgrade_model
from vit_adapter.data.digest import data_changes

from .checkpoints import CheckpointFolder
from .validation import ValidationState

# Locations, speed and verbosity: none of them affects the result.
_IRRELEVANT = (
    "data.root",
    "data.workers",
    "training.resume",
    "training.out",
    "training.quiet",
    "training.init",
)
_IRRELEVANT += ("training.devices", "training.nodes", "training.accelerator", "training.checkpoint_every")
_MUST_BE_EQUAL = (
    *("model.vit.frozen", "training.layer_decay", "training.parameter_rules"),
    "training.head_learning_rate_factor",
)


@dataclass(frozen=True)
class Continuation:
    """The run that this one goes on with.

    Attributes:
        files: Its checkpoints.
        checkpoint: The one that it continues from, without the model's weights, which are loaded.
        remembered: Its validation's memory.
        lines: What a reader has to know of it.
    """

    files: CheckpointFolder
    checkpoint: dict[str, Any]
    remembered: ValidationState
    lines: list[str]

    @classmethod
    def of(cls, config: RunConfig, model: nn.Module, identity: dict[str, Any]) -> "Continuation | None":
        """Reads the checkpoint to continue from and loads the model's weights; None: the run begins anew.

        Args:
            config: All settings.
            model: Gets the weights.
            identity: Of the run that is to go on, see ``run_identity``.

        Raises:
            InputError: There is no checkpoint, or it is of another run.
        """
        training = config.training
        if not training.resume:
            return None
        if training.out is None:
            raise InputError("training.resume: expected training.out, the folder of the run to continue")
        files = CheckpointFolder(training.out)
        checkpoint, note = files.load()
        lines, step, run = [] if note is None else [note], checkpoint["step"], checkpoint["run"]
        if step > training.steps:
            raise InputError(f"{files.last}: {step} steps are done, but training.steps={training.steps}")
        lines += [f"changed: {change}" for change in check_same_run(run, identity, str(files.last))]
        if any("training.steps" in line for line in lines):
            lines.append("the learning rate follows the schedule of the new length from here on")
        lines.append(f"continued from {files.last}, step {step}")
        model.load_state_dict(checkpoint.pop("model"))
        remembered = ValidationState(**checkpoint["validation"])
        remembered.other_images = bool(changes_of(run, identity, "validation"))
        return cls(files, checkpoint, remembered, lines)


def run_identity(
    model: nn.Module,
    config: RunConfig,
    class_names: list[str],
    images: int,
    data: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What a checkpoint keeps about its run.

    Args:
        model: Whose trained parameters are noted with their shapes.
        config: Settings.
        class_names: In the order of the class numbers.
        images: Number of training images.
        data: Digests of the data by part, "training" and "validation".
    """
    return {
        "class_names": list(class_names),
        "pictures": images,
        "parameters": {name: list(p.shape) for name, p in model.named_parameters() if p.requires_grad},
        "settings": json.dumps(asdict(config)),
        "data": data or {},
    }


def check_same_run(old: dict[str, Any], new: dict[str, Any], where: str) -> list[str]:
    """Compare the identities of a checkpoint and of the run that wants to continue it.

    Returns:
        One line for every setting that was changed and may be.

    Raises:
        InputError: Class list, trained parameters, the frozen part or the layer rules differ (S49, S50).
    """
    _check_classes(old["class_names"], new["class_names"], where)
    before, now = (_settings(identity) for identity in (old, new))
    for key in _MUST_BE_EQUAL:
        if before.get(key) != now.get(key):
            raise InputError(
                f"{where}: {key} was {before.get(key)} and is {now.get(key)} now; a run continues only with the same "
                "setting (to start afresh from its weights, use training.init)"
            )
    # Runs of earlier versions, and those that took the default, say nothing: they were semantic.
    tasks = [settings.get("task") or "semantic" for settings in (before, now)]
    if tasks[0] != tasks[1]:
        raise InputError(
            f"{where}: task was {tasks[0]} and is {tasks[1]} now; a run continues only with the same task (to start "
            "afresh from its weights, use training.init)"
        )
    _check_parameters(old["parameters"], new["parameters"], where)
    notes = [
        f"{key}: {before.get(key)} -> {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if key not in _IRRELEVANT and key != "task" and before.get(key) != now.get(key)
    ]
    if old["pictures"] != new["pictures"]:
        notes.append(f"training images: {old['pictures']} -> {new['pictures']} (another order from here on)")
    notes += changes_of(old, new, "training")
    validation = changes_of(old, new, "validation")
    if validation:
        validation[-1] += "; the best score is measured again on them"
    return notes + validation


def changes_of(old: dict[str, Any], new: dict[str, Any], part: str) -> list[str]:
    """What changed in a part of the data; nothing where the checkpoint is too old to know."""
    return data_changes(old.get("data", {}).get(part), new["data"].get(part), part)


def _settings(identity: dict[str, Any]) -> dict[str, Any]:
    """By their full names; a checkpoint may hold the model's settings in an earlier form.

    Settings that came later have their defaults, which do what was done before.
    """
    settings = json.loads(identity["settings"])
    model = upgrade_model(settings["model"])
    parts = {
        "vit": ViTConfig(),
        "backbone": config_of_kind(BACKBONE_CONFIGS, model["backbone"]["kind"], "backbone"),
        "head": config_of_kind(HEAD_CONFIGS, model["head"]["kind"], "head"),
    }
    defaults = {
        "training": asdict(TrainingConfig()),
        "model": {name: asdict(part) for name, part in parts.items()},
    }
    later = json.loads(json.dumps(defaults))  # tuples as lists, as they are in a checkpoint
    return flatten(later) | flatten({**settings, "model": model})


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"model": {"vit": ...}} to {"model.vit": ...}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and key not in ("options", "label_map"):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _check_classes(old: list[str], new: list[str], where: str) -> None:
    for number, (before, now) in enumerate(zip(old, new, strict=False)):
        if before != now:
            raise InputError(
                f"{where}: class {number} was {before!r} and is {now!r} now; expected the same class list"
            )
    if len(old) != len(new):
        raise InputError(
            f"{where}: made for {len(old)} classes, the data has {len(new)}; expected the same class list"
        )


def _check_parameters(old: dict[str, list[int]], new: dict[str, list[int]], where: str) -> None:
    missing, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    if missing or added:
        first = (missing or added)[0]
        raise InputError(
            f"{where}: {len(old)} trained parameters, the model has {len(new)}; the first that "
            f"{'is missing now' if missing else 'is new'}: {first}"
        )
    for name, shape in old.items():
        if shape != new[name]:
            raise InputError(f"{where}: {name} has shape {shape}, the model's is {new[name]}")
