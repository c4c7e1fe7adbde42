"""Which settings there are: names, types and ranges, as the sections of a run declare them."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from vit_adapter.config import Mask2FormerConfig, RunConfig
from vit_adapter.config.model_versions import NEW_NAMES, SHORT_NAMES


@dataclasses.dataclass(frozen=True)
class FlagSetting:
    """What a setting may hold.

    Attributes:
        hint: Its declared type; None: not known here.
        limits: Further arguments of ``complaint``.
    """

    hint: Any = None
    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def settings_of(section: Any) -> dict[str, FlagSetting]:
    """Every setting of a section by its name; of one that has several kinds, those of all kinds."""
    merged: dict[str, FlagSetting] = {}
    for option in _options(section):
        if not dataclasses.is_dataclass(option):
            continue
        hints = typing.get_type_hints(option)
        for field in dataclasses.fields(option):
            setting = FlagSetting(hints[field.name], field.metadata.get("limits", {}))
            if field.name in merged:
                setting = dataclasses.replace(setting, hint=merged[field.name].hint | setting.hint)
            merged[field.name] = setting
    return merged


def setting_type(name: str) -> Any | None:
    """Declared type of a setting by its dotted name; None where there is none of that name."""
    hint: Any = RunConfig
    for part in name.split("."):
        found = settings_of(hint).get(part)
        if found is None:
            return None
        hint = found.hint
    return hint


def every_setting(section: Any = RunConfig, prefix: str = "") -> list[str]:
    """Dotted names of all settings of a run."""
    names = []
    for name, setting in settings_of(section).items():
        inner = setting.hint if is_section(setting.hint) else None
        names += [f"{prefix}{name}"] if inner is None else every_setting(inner, f"{prefix}{name}.")
    return names


def is_section(hint: Any) -> bool:
    """Whether a setting of this type is, or may be, a section of settings."""
    return any(map(dataclasses.is_dataclass, _options(hint)))


def kinds_of(hint: Any) -> list[str]:
    """Kinds that a section may have; none where there is only one."""
    kinds = [one.kind for one in _options(hint) if isinstance(getattr(one, "kind", None), str)]
    return kinds if len(kinds) > 1 else []


def with_older_names(model: dict[str, FlagSetting]) -> dict[str, FlagSetting]:
    """Settings of the model with the names that they had when they stood in one list."""
    older = {name: FlagSetting(setting_type(f"model.{place}")) for name, place in NEW_NAMES.items()}
    short = {name: FlagSetting(model[name].hint | str, model[name].limits) for name in SHORT_NAMES}
    return {**older, "mask2former": FlagSetting(Mask2FormerConfig), **model, **short}


def _options(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)
