"""Help pages: what a flag takes in words, its default, and a usage that fits on one screen."""

import argparse
import re
from typing import Any

from jsonargparse import DefaultHelpFormatter

from vit_adapter.config.values import describe

from .settings import is_section, kinds_of, setting_type

SECTION_HELP = "Several settings of this section: a YAML file, or a text such as '{name: value}'."
TOLD = re.compile(r"\bdefault\b")
"""In a description that says itself what happens without the flag."""
LONG = 60  # a description in words that is longer says less than the text before it


class HelpPage(DefaultHelpFormatter):
    """Words in place of Python's types, and nothing where there is nothing to say."""

    def add_usage(self, usage: Any, actions: Any, *args: Any, **kwargs: Any) -> None:
        """The usage: sections of settings by one word each, all flags stand below."""
        own = [action for action in actions if "." not in action.dest and not _of_a_section(action)]
        sections = sorted({action.dest.partition(".")[0] for action in actions if "." in action.dest})
        if usage is None and sections:
            usage = _usage(own, sections)
        super().add_usage(usage, actions, *args, **kwargs)

    def _get_help_string(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._HelpAction):
            return "Show this page and exit."
        text = _in_words(action.help or "")
        if action.dest == "print_config":
            return "Print the settings as YAML and exit."
        if _of_a_section(action):
            return _section_help(action.dest)
        default = "" if action.required or TOLD.search(text) else _default(action)
        facts = [fact for fact in (_what_it_takes(action), default) if fact]
        return f"{text} ({'; '.join(facts)})" if facts else text


def _in_words(text: str) -> str:
    """A description of a field of Python's, as flags and settings files have it."""
    return re.sub(r"\b(None|True|False)\b", lambda word: word[0].lower(), text.replace("``", ""))


def _usage(actions: list[Any], sections: list[str]) -> str:
    positional = [
        f"[{action.dest}]"
        if action.nargs == "?"
        else f"[{action.dest} ...]"
        if action.nargs == "*"
        else action.dest
        for action in actions
        if not action.option_strings
    ]
    named = [f"[--{section}.* ...]" for section in sections]
    return " ".join(["%(prog)s", *positional, "[options]", *named])


def _of_a_section(action: argparse.Action) -> bool:
    return bool(action.option_strings) and is_section(setting_type(action.dest))


def _section_help(name: str) -> str:
    if name == "model.vit":
        return f"NAME: the same as --model.vit.name. {SECTION_HELP}"
    kinds = kinds_of(setting_type(name))
    if not kinds:
        return SECTION_HELP
    return (
        f"KIND: the same as --{name}.kind, one of {', '.join(kinds)}; this page shows the settings of one kind, those "
        f"of another with --{name} KIND --help. {SECTION_HELP}"
    )


def _what_it_takes(action: argparse.Action) -> str:
    # The first argument of `predict` has the name of a section of settings.
    hint = setting_type(action.dest) if action.option_strings else None
    hint = hint or getattr(action, "_typehint", None) or action.type
    if hint in (None, str, bool) or action.choices is not None or "{" in str(action.metavar or ""):
        return ""
    if action.dest.endswith(".kind"):
        return ""
    words = describe(hint)
    return "" if words in ("text", "text or none") or "'" in words or len(words) > LONG else words


def _default(action: argparse.Action) -> str:
    default = action.default
    if default is argparse.SUPPRESS or isinstance(action, argparse._StoreTrueAction):
        return ""
    if not action.option_strings and default in (None, []):
        return ""
    if default in (None, "", [], ()):
        return "default: none"
    return f"default: {'true' if default is True else 'false' if default is False else default}"
