"""Which settings there are: names, types and ranges, as the sections of a run declare them."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from vit_adapter.config import RunConfig


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a setting may hold.

    Attributes:
        hint: Its declared type; None: not known here.
        limits: Further arguments of ``complaint``.
    """

    hint: Any = None
    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def settings_of(section: Any) -> dict[str, Setting]:
    """Every setting of a section by its name."""
    hints = typing.get_type_hints(section)
    return {
        field.name: Setting(hints[field.name], field.metadata.get("limits", {}))
        for field in dataclasses.fields(section)
    }


def setting_type(name: str) -> Any | None:
    """Declared type of a setting by its dotted name; None where there is none of that name."""
    hint: Any = RunConfig
    for part in name.split("."):
        section = section_of(hint)
        found = None if section is None else settings_of(section).get(part)
        if found is None:
            return None
        hint = found.hint
    return hint


def every_setting(section: type = RunConfig, prefix: str = "") -> list[str]:
    """Dotted names of all settings of a run."""
    names = []
    for name, setting in settings_of(section).items():
        inner = section_of(setting.hint)
        names += [f"{prefix}{name}"] if inner is None else every_setting(inner, f"{prefix}{name}.")
    return names


def section_of(hint: Any) -> type | None:
    """The section that a setting of this type may be; None: it is no section."""
    return next((option for option in _options(hint) if dataclasses.is_dataclass(option)), None)  # pyright: ignore


def _options(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)
