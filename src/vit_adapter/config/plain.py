"""Configuration as plain JSON values, and back."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

from .errors import InputError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass, with all that it holds, as dictionaries, lists, numbers and text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def to_yaml(value: Any) -> str:
    """A dataclass as YAML, for ``--config``; texts that some readers take for numbers (``1e3``) are quoted."""
    import yaml

    class Quoting(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, item: str) -> yaml.ScalarNode:
        style = "'" if _like_a_number(item) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", item, style=style)

    Quoting.add_representer(str, text)
    return yaml.dump(to_plain(value), Dumper=Quoting, sort_keys=False, allow_unicode=True)


def _like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def from_plain(kind: type[T], values: dict[str, Any], where: str) -> T:
    """The dataclass that ``to_plain`` described; settings that are missing take their default.

    Args:
        kind: The dataclass.
        values: Its settings.
        where: File or argument, for the message.

    Raises:
        InputError: A setting is unknown, or is missing and has no default.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: {kind.__name__} is {values!r}, expected named settings")
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}  # pyright: ignore
    if unknown := sorted(set(values) - known):
        raise InputError(f"{where}: unknown setting {unknown[0]!r} of {kind.__name__}")
    try:
        return kind(**{name: typed(hints[name], value, where) for name, value in values.items()})
    except TypeError as error:
        raise InputError(f"{where}: {kind.__name__} is incomplete: {error}") from error
    except InputError as error:  # a value that the dataclass refuses
        text = str(error)
        raise InputError(text if text.startswith(where) else f"{where}: {text}") from error


def typed(hint: Any, value: Any, where: str) -> Any:
    """A plain value as its declared type asks: JSON knows neither tuples nor dataclasses."""
    origin = typing.get_origin(hint)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        kinds = {option.kind: option for option in options if hasattr(option, "kind")}
        if kinds and isinstance(value, (dict, str)):
            settings = {"kind": value} if isinstance(value, str) else value
            if settings.get("kind") not in kinds:
                raise InputError(
                    f"{where}: kind is {settings.get('kind')!r}, expected one of {', '.join(map(repr, kinds))}"
                )
            return from_plain(kinds[settings["kind"]], settings, where)
        if kinds and not isinstance(value, tuple(kinds.values())):
            raise InputError(f"{where} is {value!r}: expected one of {', '.join(kinds)}, or settings of one")
        if len(options) > 1 and isinstance(value, dict):
            # A section, or some of its settings: the whole section where all of them are named.
            section = next((option for option in options if dataclasses.is_dataclass(option)), None)
            if section is None or {field.name for field in dataclasses.fields(section)} - value.keys():
                return value
            return typed(section, value, where)
        return typed(options[0], value, where) if len(options) == 1 else value
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where)  # pyright: ignore
    if origin is tuple and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        return tuple(typed(inner, item, where) for item in value)
    if origin is list and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        return [typed(inner, item, where) for item in value]
    return value
