"""A ``--config`` file is checked before it is used: each mistake is named by file, setting and text as written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.settings_yaml import UNCLEAR, UNCLEAR_NUMBER, SettingsLoader, meaning
from vit_adapter.config.values import complaint, not_finite

from .missing_blank import blank_hint, joined_pair
from .settings import FlagSetting, every_setting, is_section, settings_of, with_older_names
from .suggestions import near_setting

_TAGS = {UNCLEAR} | {
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")
}


def check_settings_file(path: Path, known: Mapping[str, FlagSetting]) -> list[str]:
    """Refuses a file that would mean something else than is written in it, see ``check_settings_text``.

    Returns:
        Sections of a run that are in it and that ``known`` does not have; nothing in them is looked at.

    Raises:
        InputError: Also where the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text, expected YAML with settings") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    return check_settings_text(text, str(path), known)


def check_settings_text(
    text: str, path: str, known: Mapping[str, FlagSetting], prefix: str = ""
) -> list[str]:
    """Refuses YAML that would mean something else than is written in it.

    Args:
        text: The YAML.
        path: The file or flag that it comes from.
        known: What is allowed at its highest level: names of sections and options.
        prefix: Section that it belongs to, with a dot after it.

    Returns:
        Sections of a run that are in it and not in ``known``.

    Raises:
        InputError: It is empty, or not YAML of named settings; a setting is unknown or named twice; its value does not
            fit.
    """
    try:
        node = yaml.compose(text, Loader=SettingsLoader)
    except yaml.YAMLError as error:
        hint = blank_hint(text)
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}{hint}") from error
    if node is None:
        raise InputError(f"{path}: holds no settings, expected some such as `training: {{steps: 2000}}`")
    _check_tags(node, path)
    if not isinstance(node, yaml.MappingNode):
        hint = blank_hint(_written(node))
        raise InputError(f"{path}: expected named settings such as `training: {{steps: 2000}}`{hint}")
    return _check_mapping(node, known, prefix, path)


def _check_tags(node: yaml.Node, path: str) -> None:
    """Objects of Python and types of one's own, which nothing here makes."""
    if node.tag not in _TAGS:
        raise InputError(
            f"{path}: line {node.start_mark.line + 1}: {node.tag} is a tag that settings have no use for"
        )
    parts = node.value if isinstance(node, yaml.CollectionNode) else ()
    for part in parts:
        for item in part if isinstance(part, tuple) else (part,):
            _check_tags(item, path)


def check_pairs(text: str, flag: str) -> None:
    """Refuses pairs in a flag of which one would be lost or be read as another number."""
    try:
        node = yaml.compose(text, Loader=SettingsLoader)
    except yaml.YAMLError:
        return  # the parser says what is wrong
    if node is not None:
        _check_plain(node, flag, "")


def has_unclear_number(text: str) -> bool:
    """Whether a flag's value holds a number that is written in another way than with decimal digits."""
    try:
        tokens = list(yaml.parse(text, Loader=SettingsLoader))
    except yaml.YAMLError:
        return False
    plain = [token.value for token in tokens if isinstance(token, yaml.ScalarEvent) and token.style is None]
    return any(UNCLEAR_NUMBER.fullmatch(value) for value in plain)


def takes_text(hint: Any) -> bool:
    """Whether a setting of this type may be any text, or a list of texts."""
    return complaint(hint, "text") is None or complaint(hint, ["text"]) is None


def _check_mapping(
    node: yaml.MappingNode, known: Mapping[str, FlagSetting], prefix: str, path: str
) -> list[str]:
    seen: dict[str, int] = {}
    unused = []
    for key, value in node.value:
        if key.tag.endswith(":merge"):
            continue
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise InputError(
                f"{path}: {prefix}{name} is given twice, in lines {seen[name]} and {line}: one of them would be lost"
            )
        seen[name] = line
        if name not in known and not prefix and name in settings_of(RunConfig):
            unused.append(name)
            continue
        if name not in known:
            wrong = joined_pair(name, known) or near_setting(prefix + name, _all_names(known, prefix))
            raise InputError(f"{path}: {prefix}{name}: {wrong}")
        _check_value(value, known[name], f"{prefix}{name}", path)
    return unused


def _check_value(node: yaml.Node, setting: FlagSetting, name: str, path: str) -> None:
    hint = setting.hint
    if is_section(hint) and isinstance(node, yaml.MappingNode):
        own = settings_of(hint)
        _check_mapping(node, with_older_names(own) if name == "model" else own, f"{name}.", path)
        return
    _check_plain(node, name, path)
    if hint is None:
        return
    value = _Constructor("").construct(node)
    expected = complaint(hint, value, **setting.limits)
    if expected is None:
        return
    entry = _wrong_entry(node, hint) if isinstance(node, yaml.SequenceNode) else None
    if entry is not None:
        raise InputError(
            f"{path}: {name}: entry {entry + 1} is {_written(node.value[entry])} to YAML, which is no text; put it "
            "between quotes"
        )
    if line := not_finite(f"{path}: {name}", value):
        raise InputError(f"{line}: {_written(node)}")
    in_yaml = "; YAML writes none as null" if value in ("none", "None") and "none" in expected else ""
    # A text cannot stand for pairs, so a colon in it was meant to part a name from its value.
    joined = blank_hint(_written(node)) if is_section(hint) or "dict" in str(hint) else ""
    raise InputError(f"{path}: {name}: {_written(node)}: expected {expected}{in_yaml}{joined}")


def _check_plain(node: yaml.Node, name: str, path: str, entry: int | None = None) -> None:
    """Numbers that YAML and people read in two ways, and keys that are given twice, at any depth."""
    start = f"{path}: {name}: " if path else f"{name}: "
    where = start + ("" if entry is None else f"entry {entry} is ")
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value, start=1):
            _check_plain(item, name, path, number)
    elif isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        if doubled := [key for key in keys if keys.count(key) > 1]:
            raise InputError(f"{start}{doubled[0]} is given twice: one of them would be lost")
        for pair in node.value:
            for item in pair:
                _check_plain(item, name, path)
    elif node.tag == UNCLEAR:
        hint = "put a space after the colon, or " if ":" in node.value else ""
        raise InputError(
            f"{where}{node.value}, which YAML reads as {meaning(node.value)}; {hint}write a decimal number, or put a "
            "text between quotes"
        )


def _wrong_entry(node: yaml.SequenceNode, hint: Any) -> int | None:
    """The first entry that is not text where texts are expected, counted from 0."""
    if complaint(hint, ["text"]) is not None:
        return None
    kinds = [type(_Constructor("").construct(item)) for item in node.value]
    return next((number for number, kind in enumerate(kinds) if kind is not str), None)


def _all_names(known: Mapping[str, FlagSetting], prefix: str) -> list[str]:
    """Settings that a near name is looked for among: of this section, and of all."""
    own = [f"{prefix}{name}" for name in known]
    return own + [name for name in every_setting() if name not in own]


def _written(node: yaml.Node) -> str:
    """The text of a value as it is in the file, shortened."""
    if isinstance(node, yaml.ScalarNode):
        return node.value or "nothing"
    mark, end = node.start_mark, node.end_mark
    text = (
        " ".join((mark.buffer or "")[mark.pointer : end.pointer].split()) if mark.buffer else str(node.value)
    )
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Constructor(SettingsLoader):
    """Makes the value of a node."""

    def construct(self, node: yaml.Node) -> Any:
        return self.construct_object(node, deep=True)
