"""The words of a command line before they are parsed: unknown flags, and files and pairs that say two things."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.paths import user_path
from vit_adapter.config.values import describe

from .settings import Setting, is_section, setting_type, settings_of
from .settings_file import check_pairs, check_settings, check_settings_file, has_unclear_number, takes_text
from .suggestions import near_setting


def checked_words(parser: ArgumentParser, words: Sequence[str]) -> list[str]:
    """The words, with ``~`` in the name of a settings file as the home folder.

    Raises:
        InputError: A flag does not exist (an abbreviated one neither), or a settings file means something else than is
            written in it.
    """
    flags = [option for option in parser._option_string_actions if option.startswith("--")]
    checked = list(words)
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
            if Path(value).exists():
                check_settings_file(Path(value), _top_level(parser))
            checked[index + (not equals)] = f"--config={value}" if equals else value
            continue
        if flag not in flags or value.startswith("--"):
            continue
        _check_value(flag, value, parser._option_string_actions[flag])
    return checked


def _check_value(flag: str, value: str, action: Any) -> None:
    name = flag.removeprefix("--")
    section = setting_type(name)
    if is_section(section):
        if value.startswith("{"):
            check_settings(value, flag, settings_of(section), f"{name}.")
        elif Path(value).is_file():
            check_settings(Path(value).read_text(encoding="utf-8"), value, settings_of(section), f"{name}.")
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


def _top_level(parser: ArgumentParser) -> dict[str, Setting]:
    """What a settings file of a command may hold: its sections and its options."""
    known = settings_of(RunConfig)
    names = {action.dest.partition(".")[0] for action in parser._actions if action.option_strings}
    return {name: known.get(name, Setting()) for name in names - {"help", "config", "print_config"}}
