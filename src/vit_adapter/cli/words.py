"""The words of a command line before they are parsed: unknown flags, and files and pairs that say two things."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.paths import near_path, user_path
from vit_adapter.config.values import complaint, describe

from .missing_blank import joined_pair
from .settings import FlagSetting, is_section, setting_type, settings_of
from .settings_file import (
    check_pairs,
    check_settings_file,
    check_settings_text,
    has_unclear_number,
    takes_text,
)
from .suggestions import near_setting


def checked_words(parser: ArgumentParser, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words, with ``~`` in the name of a settings file as the home folder, and ``none`` as YAML writes it.

    Returns:
        The words for the parser, and a line for each settings file of which sections are not used.

    Raises:
        InputError: A flag does not exist (an abbreviated one neither), or a settings file means something else than is
            written in it.
    """
    flags = [option for option in parser._option_string_actions if option.startswith("--")]
    checked, notes = list(words), []
    for index, word in enumerate(checked):
        if word == "--":
            break
        if not word.startswith("--"):
            continue
        flag, equals, value = word.partition("=")
        if flag not in flags and not _inside_pairs(flag):
            names = [name.removeprefix("--") for name in flags]
            raise InputError(f"{flag}: {near_setting(flag.removeprefix('--'), names, '--')}")
        if not equals:
            value = checked[index + 1] if index + 1 < len(checked) else ""
        if flag == "--config":
            value = str(user_path(value))
            if Path(value).is_dir():
                raise InputError(f"--config {value}: is a folder, expected a YAML file")
            if not Path(value).exists():
                near = near_path(Path(value))
                hint = "" if near is None else f"; did you mean {near}?"
                raise InputError(f"--config {value}: there is no such file{hint}")
            if not Path(value).is_file():
                raise InputError(f"--config {value}: is neither a file nor a folder, expected a YAML file")
            if unused := check_settings_file(Path(value), _top_level(parser)):
                notes.append(f"{value}: {', '.join(unused)}: not used by this command")
            checked[index + (not equals)] = f"--config={value}" if equals else value
            continue
        if flag not in flags or value.startswith("--"):
            continue
        action = parser._option_string_actions[flag]
        _check_value(flag, value, action)
        if _means_none(value, type_of(flag.removeprefix("--"), action)):
            checked[index + (not equals)] = f"{flag}=null" if equals else "null"
    return checked, notes


def unused_sections(parser: ArgumentParser) -> frozenset[str]:
    """Sections of a run that a command has no flags for."""
    return frozenset(settings_of(RunConfig).keys() - _top_level(parser).keys())


def _means_none(value: str, hint: Any) -> bool:
    """Whether "none", as messages and help pages write it, is meant as no value and not as a text."""
    return (
        value.lower() == "none"
        and hint is not None
        and complaint(hint, None) is None
        and not takes_text(hint)
    )


def _check_value(flag: str, value: str, action: Any) -> None:
    name = flag.removeprefix("--")
    section = setting_type(name)
    if is_section(section):
        if value.startswith("{"):
            check_settings_text(value, flag, settings_of(section), f"{name}.")
        elif Path(value).is_file():
            check_settings_text(
                Path(value).read_text(encoding="utf-8"), value, settings_of(section), f"{name}."
            )
        elif wrong := joined_pair(value, settings_of(section)):
            raise InputError(f"{flag} {value}: expected named settings such as '{{a: 1}}'; {wrong}")
        return
    hint = type_of(name, action)
    if value.startswith("{"):
        check_pairs(value, flag)
    elif hint is not None and has_unclear_number(value) and not takes_text(hint):
        raise InputError(f"{flag} {value}: expected {describe(hint)}, in decimal digits")


def type_of(name: str, action: Any) -> Any | None:
    """Declared type of a flag; None: it has none."""
    return setting_type(name) or getattr(action, "_typehint", None) or getattr(action, "type", None)


def given_text(words: Sequence[str], flag: str) -> str | None:
    """What follows a flag, as written; the last one, where it is given twice."""
    found = None
    for index, word in enumerate(words):
        if word.startswith(f"{flag}="):
            found = word.partition("=")[2]
        elif word == flag and index + 1 < len(words):
            found = words[index + 1]
    return found


def _inside_pairs(flag: str) -> bool:
    """Whether a flag sets one pair of a setting that holds pairs: ``--model.vit.options.depth``."""
    outer, dot, _ = flag.removeprefix("--").rpartition(".")
    hint = setting_type(outer)
    return bool(dot) and not is_section(hint) and "dict" in str(hint)


def _top_level(parser: ArgumentParser) -> dict[str, FlagSetting]:
    """What a settings file of a command may hold: its sections and its options."""
    known = settings_of(RunConfig)
    names = {action.dest.partition(".")[0] for action in parser._actions if action.option_strings}
    return {name: known.get(name, FlagSetting()) for name in names - {"help", "config", "print_config"}}
