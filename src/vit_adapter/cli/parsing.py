"""Words of the command line into configuration; no torch, so that ``--help`` answers at once."""

import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import SUPPRESS, ArgumentParser, Namespace

from vit_adapter.config import (
    DataConfig,
    EvaluationConfig,
    InputError,
    ModelConfig,
    Protocol,
    RunConfig,
    TrainingConfig,
)
from vit_adapter.config.normalization import with_protocol_changes

SECTIONS = {
    "model": ModelConfig,
    "data": DataConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
}


def make_parser(name: str, description: str) -> ArgumentParser:
    """An empty parser of a command."""
    return ArgumentParser(prog=f"vit-adapter {name}", description=description, exit_on_error=False)


def parse(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Parses, and says in one line what cannot be used.

    Raises:
        InputError: A word is unknown or a value does not fit.
    """
    try:
        return parser.parse_args(list(words))
    except Exception as error:
        if isinstance(error, (InputError, KeyboardInterrupt)):
            raise
        raise InputError(_class_name_that_is_no_text(words) or _one_line(error)) from None


def add_sections(parser: ArgumentParser, defaults: RunConfig, sections: Sequence[str]) -> None:
    """Adds ``--config FILE`` and the settings of some parts of a run, with the defaults of a recipe."""
    parser.add_argument("--config", action="config", help="YAML file with settings; later ones win")
    for section in sections:
        parser.add_class_arguments(SECTIONS[section], section, default=getattr(defaults, section))
    add_protocol(parser)


def add_protocol(parser: ArgumentParser) -> None:
    """Adds ``--protocol.*``: how an image is handled; what is not named stays as the model or the recipe has it."""
    parser.add_class_arguments(Protocol, "protocol", instantiate=False)
    for action in parser._actions:
        if action.dest.startswith("protocol."):
            action.default = SUPPRESS  # so that only what was named is there after parsing


def protocol_changes(values: Namespace) -> dict[str, Any] | None:
    """What flags and files name of the protocol, as ``changed_protocol`` takes it; None: nothing."""
    given = values.get("protocol")
    return given.as_dict() if given else None


def run_config(parser: ArgumentParser, values: Namespace, defaults: RunConfig) -> RunConfig:
    """The configuration of a run from what was parsed."""
    try:
        # The older name ends with jsonargparse 5, the newer one begins with 4.49.
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
        built: Any = instantiate(values)
    except InputError:  # a value that the configuration itself refuses
        raise
    except Exception as error:
        raise InputError(_one_line(error)) from None
    parts: dict[str, Any] = {
        section: getattr(built, section, getattr(defaults, section)) for section in SECTIONS
    }
    changes = protocol_changes(values)
    if isinstance(defaults.protocol, Protocol):
        return with_protocol_changes(RunConfig(**parts, protocol=defaults.protocol), changes, defaults.data)
    return RunConfig(**parts, protocol=changes)


def split_recipe(words: Sequence[str]) -> str | None:
    """The recipe's name if the first word is one: its settings are the defaults of all others."""
    return words[0] if words and not words[0].startswith("-") else None


def _class_name_that_is_no_text(words: Sequence[str]) -> str | None:
    """The mistake in a ``--config`` file that YAML makes of class names such as ``no`` and ``010`` (S65)."""
    import yaml

    for option, path in itertools.pairwise(words):
        if option != "--config" or not Path(path).is_file():
            continue
        try:
            names = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["data"]["classes"]
        except (KeyError, TypeError, ValueError, yaml.YAMLError):
            continue
        for number, name in enumerate(names if isinstance(names, list) else [], start=1):
            if not isinstance(name, str) or re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", name):
                return (
                    f"{path}: data.classes: entry {number} is {name!r} to YAML, which is no text; put it between "
                    "quotes, or name a file of class names"
                )
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text.replace('Parser key "', "--").replace('":', ":").replace("<class '", "").replace("'>", "")
    return f"{text} (see --help)" if "--help" not in text else text


def fail(message: str) -> None:
    """Prints a line to the error stream."""
    print(message, file=sys.stderr)
