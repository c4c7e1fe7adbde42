"""The model's settings on the command line: which head and backbone, and names that flags had before."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from vit_adapter.config import ModelConfig
from vit_adapter.config.model import changed_model
from vit_adapter.config.model_versions import SHORT_NAMES, new_name, upgrade_model
from vit_adapter.config.paths import user_path
from vit_adapter.config.settings_yaml import SettingsLoader

PREFIX = "--model."
KEPT = {one.name for one in fields(ModelConfig)}
"""Names below "model" today."""


def current_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of a command line with today's names of the model's settings.

    Args:
        words: As typed; ``--model.vit NAME`` and ``--model.head KIND`` are short forms, others may be older names.

    Returns:
        The words for the parser, and a line for every older name and every settings file with some.
    """
    current, notes, added = [], [], []
    for flag, value, word in _flags(words):
        name = new_name(flag.removeprefix(PREFIX)) if flag.startswith(PREFIX) else None
        if flag == "--config":
            older = sorted(_model_section(value).keys() - SHORT_NAMES.keys() - KEPT)
            notes += [f"{value}: model.{one} is model.{new_name(one) or 'head'} now" for one in older[:1]]
            added = _settings_of_then(value)
        if name is None:
            current.append(word)
            if word != "--config":  # the file is named
                current += added
                added = []
            continue
        if flag.removeprefix(PREFIX) not in SHORT_NAMES:
            notes.append(f"{flag} is {PREFIX}{name} now; the old name works in this version")
        current.append(word.replace(flag, f"{PREFIX}{name}", 1))
    return current, notes


def model_of_kinds(model: ModelConfig, words: Sequence[str]) -> ModelConfig:
    """A recipe's model with the head and backbone that the command line or a YAML file names.

    Args:
        model: The defaults.
        words: In today's names.

    Raises:
        InputError: There is no head or backbone of that name.
    """
    for part in ("head", "backbone"):
        for kind in _named_kinds(part, words):
            model = changed_model(model, {f"{part}.kind": kind})
    return model


def add_model(parser: ArgumentParser, model: ModelConfig) -> None:
    """Adds the settings of a ViT, and of a backbone and a head of the kinds that ``model`` has."""
    for part in ("vit", "backbone", "head"):
        section: Any = getattr(model, part)
        parser.add_class_arguments(type(section), f"model.{part}", default=section)
    parser.add_argument(
        "--model.norm",
        type=ModelConfig.__annotations__["norm"],
        default=model.norm,
        help="in backbone and head",
    )


def _named_kinds(part: str, words: Sequence[str]) -> Iterator[str]:
    """Kinds that are named, in the order in which they count."""
    for flag, value, _ in _flags(words):
        if flag == f"{PREFIX}{part}.kind":
            yield value
        elif flag == "--config":
            section = upgrade_model(_model_section(value)).get(part)
            if isinstance(section, dict) and isinstance(section.get("kind"), str):
                yield section["kind"]


def _settings_of_then(path: str) -> list[str]:
    """Flags for what a run's own settings do not say, as it was begun before there was such a setting, and what is done
    now unless they do."""
    backbone = upgrade_model(_model_section(path)).get("backbone")
    if not isinstance(backbone, dict) or backbone.get("kind", "adapter") != "adapter":
        return []
    is_whole = "injector_init" in backbone  # by hand nobody writes all of them
    return ["--model.backbone.pyramid_gate", "none"] if is_whole and "pyramid_gate" not in backbone else []


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(flag, what follows it, the word itself) of every word; a value is a flag of no name."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        following = words[index + 1] if index + 1 < len(words) else ""
        yield flag if word.startswith("--") else "", value if equals else following, word


def _model_section(path: str) -> dict[str, Any]:
    """The model's settings in a YAML file; nothing where it cannot be read: the parser complains about that."""
    try:
        content = yaml.load(Path(user_path(path)).read_text(encoding="utf-8"), Loader=SettingsLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    section = content.get("model") if isinstance(content, dict) else None
    return section if isinstance(section, dict) else {}
