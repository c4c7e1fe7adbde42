"""Words of the command line into configuration; no torch, so that ``--help`` answers at once."""

import re
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, get_args

import yaml
from jsonargparse import SUPPRESS, ArgumentParser, Namespace, set_loader

from vit_adapter.config import (
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    InputError,
    ModelConfig,
    Precision,
    RunConfig,
    TaskName,
    TrainingConfig,
)
from vit_adapter.config.changes import with_changes
from vit_adapter.config.model_versions import upgrade_model
from vit_adapter.config.normalization import with_protocol_changes
from vit_adapter.config.paths import user_path
from vit_adapter.config.settings_yaml import read_value
from vit_adapter.config.values import describe

from .help_page import HelpPage
from .missing_blank import blank_hint
from .model_settings import add_model
from .settings import is_section
from .words import checked_words, given_text, type_of, unused_sections

SECTIONS = {
    "model": ModelConfig,
    "data": DataConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
}


MODE = "settings"
"""Name under which the parser knows how values are read."""


_unused: ContextVar[frozenset[str]] = ContextVar("_unused", default=frozenset())
"""Sections of a run that the command being parsed does not use."""


def _read(text: str) -> Any:
    """A flag's value or a settings file; settings of the model may have the names of an earlier version.

    Sections that the command does not use are left out, so that it takes the settings file of a run.
    """
    value = read_value(text)
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name not in _unused.get()}
    if isinstance(value, dict) and isinstance(value.get("model"), dict):
        return {**value, "model": upgrade_model(value["model"])}
    return value


set_loader(MODE, _read, exceptions=(yaml.YAMLError,))


def make_parser(name: str, description: str) -> ArgumentParser:
    """An empty parser of a command."""
    return ArgumentParser(
        prog=f"vit-adapter {name}",
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode=MODE,
        formatter_class=HelpPage,
    )


def parse(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Parses, and says in one line what cannot be used.

    Raises:
        InputError: A word is unknown or a value does not fit.
    """
    words, notes = checked_words(parser, words)
    for note in notes:
        fail(f"note: {note}")
    token = _unused.set(unused_sections(parser))
    try:
        values = parser.parse_args(words)
    except Exception as error:
        if isinstance(error, (InputError, KeyboardInterrupt)):
            raise
        raise InputError(_complaint(error, parser, words) or _one_line(error, parser)) from None
    finally:
        _unused.reset(token)
    for name, value in vars(values).items():
        values[name] = user_path(value)  # texts of a command's own; sections look after theirs
    return values


def add_sections(parser: ArgumentParser, defaults: RunConfig, sections: Sequence[str]) -> None:
    """Adds ``--config FILE`` and the settings of some parts of a run, with the defaults of a recipe."""
    parser.add_argument(
        "--config", action="config", help="YAML file with settings; later files override earlier ones"
    )
    for section in sections:
        if section == "model":
            add_model(parser, defaults.model)
        else:
            parser.add_class_arguments(SECTIONS[section], section, default=getattr(defaults, section))
    add_protocol(parser)


def add_task(parser: ArgumentParser, otherwise: str) -> None:
    """Adds ``--task``; a settings file of a run may name it, too.

    Args:
        parser: Of the command.
        otherwise: What the task is where none is named.
    """
    parser.add_argument(
        "--task",
        type=TaskName | None,  # pyright: ignore
        default=None,
        metavar=f"{{{','.join(get_args(TaskName))}}}",
        help=f"what the model is asked for; by default {otherwise}",
    )


def add_application(parser: ArgumentParser, together: str) -> None:
    """Adds the flags that say with which weights, where and how precisely a model is applied.

    Args:
        parser: Of a command that applies a model, exported ones too.
        together: What ``--batch-size`` counts.
    """
    add = parser.add_argument
    add("--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1 or mps (untested)")
    add("--batch-size", type=int, default=4, help=together)
    add(
        "--precision",
        type=Precision,
        default="float32",
        help="numeric type of the network; float16 is slow on most CPUs",
    )
    add(
        "--fast",
        action="store_true",
        help="optimize the model for this device first; bfloat16 where the device is fast at it",
    )
    add(
        "--dtype",
        choices=get_args(Precision),
        default=None,
        help="optimize the model first, with weights of this type; float16 on CUDA only",
    )


def add_protocol(parser: ArgumentParser) -> None:
    """Adds ``--protocol.*``: how an image is handled; what is not named stays as the model or the recipe has it."""
    parser.add_class_arguments(InferenceConfig, "protocol", instantiate=False)
    for action in parser._actions:
        if action.dest.startswith("protocol."):
            action.default = SUPPRESS  # so that only what was named remains after parsing


def protocol_changes(values: Namespace) -> dict[str, Any] | None:
    """What flags and files name of the protocol, as ``changed_protocol`` takes it; None: nothing."""
    given = values.get("protocol")
    return given.as_dict() if given else None


def run_config(parser: ArgumentParser, values: Namespace, defaults: RunConfig) -> RunConfig:
    """The configuration of a run from what was parsed.

    Raises:
        InputError: A value is out of its range, or data and protocol contradict each other.
    """
    parts: dict[str, Any] = {
        section: with_changes(getattr(defaults, section), values[section].as_dict(), section)
        if isinstance(values.get(section), Namespace)
        else getattr(defaults, section)
        for section in SECTIONS
    }
    changes = protocol_changes(values)
    if isinstance(defaults.protocol, InferenceConfig):
        return with_protocol_changes(RunConfig(**parts, protocol=defaults.protocol), changes, defaults.data)
    return RunConfig(**parts, protocol=changes)


def with_older_flags(words: Sequence[str], names: dict[str, str]) -> list[str]:
    """Words with today's names of flags; prints a line for every older one.

    Args:
        words: As typed.
        names: Older name to today's.
    """
    current = []
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag not in names or "--" in words[:index]:
            current.append(word)
            continue
        fail(f"note: {flag} is {names[flag]} now; the old name works in this version")
        current.append(names[flag] + equals + value)
    return current


def split_recipe(words: Sequence[str]) -> str | None:
    """The recipe's name if the first word is one: its settings are the defaults of all others."""
    return words[0] if words and not words[0].startswith("-") else None


def _complaint(error: Exception, parser: ArgumentParser, words: Sequence[str]) -> str | None:
    """A line about a value of another type than its flag has; None where the error is about something else."""
    key = re.match(r'Parser key "([^"]+)"', str(error))
    named = [action for action in parser._actions if key is not None and action.dest == key[1]]
    flag = next((name for action in named for name in action.option_strings if name.startswith("--")), None)
    if key is None or flag is None:
        return None
    text, hint = given_text(words, flag), type_of(key[1], named[0])
    if text is None or hint is None or is_section(hint):
        return None
    joined = blank_hint(text) if "dict" in str(hint) else ""
    return f"{flag} {text}: expected {describe(hint)}{joined}"


CHOICES = re.compile(r"argument (?:-\w/)?(-\S+?)(?:/-\S+)?: invalid choice: (.+) \(choose from (.+)\)")
MISSING = "the following arguments are required: "


def _one_line(error: Exception, parser: ArgumentParser) -> str:
    text = " ".join(str(error).split())
    if choice := CHOICES.fullmatch(text):
        *others, last = choice[3].replace("'", "").split(", ")
        return f"{choice[1]} {choice[2].strip(chr(39))}: expected {', '.join(others)} or {last}"
    if text.startswith(MISSING):  # by the names of their places
        flags = {
            action.dest: action.option_strings[-1] for action in parser._actions if action.option_strings
        }
        names = text.removeprefix(MISSING).split(", ")
        text = MISSING + ", ".join(flags.get(name, name) for name in names)
    text = text.replace('Parser key "', "--").replace('":', ":").replace("<class '", "").replace("'>", "")
    return f"{text} (see --help)" if "--help" not in text else text


def fail(message: str) -> None:
    """Prints a line to the error stream."""
    print(message, file=sys.stderr)
