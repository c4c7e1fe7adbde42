"""Model settings as earlier versions wrote them: one flat list, now by ViT, backbone and head."""

from dataclasses import fields
from typing import Any

from .model import BACKBONE_CONFIGS, HEAD_CONFIGS
from .vit import ViTConfig

SHORT_NAMES = {"vit": "vit.name", "backbone": "backbone.kind", "head": "head.kind"}
"""Short forms that stay: a name alone stands for the kind of that part."""
_RENAMED = {"vit_options": "vit.options", "head_channels": "head.channels"}


def _names() -> dict[str, str]:
    names = {one.name: f"vit.{one.name}" for one in fields(ViTConfig) if one.name != "name"}
    for part, known in (("head", HEAD_CONFIGS), ("backbone", BACKBONE_CONFIGS)):
        for kind, config in known.items():
            if kind != "mask2former":  # its settings stood in a section of their own
                names |= {one.name: f"{part}.{one.name}" for one in fields(config) if one.name != "kind"}
    names.pop("channels")
    return {**names, "grad_checkpointing": "vit.grad_checkpointing", **SHORT_NAMES, **_RENAMED}


NEW_NAMES = _names()
"""Setting of the flat form to its place now, such as "frozen" to "vit.frozen"."""


def new_name(flag: str) -> str | None:
    """Where a setting below "model." is now.

    Args:
        flag: Such as "head_channels" or "mask2former.queries".

    Returns:
        Such as "head.channels" or "head.queries"; None when the flag is neither an earlier nor a short name.
    """
    if flag.startswith("mask2former."):
        return "head." + flag.removeprefix("mask2former.")
    return NEW_NAMES.get(flag)


def upgrade_model(values: dict[str, Any]) -> dict[str, Any]:
    """Model settings of any version in today's form.

    Args:
        values: Plain settings: a whole ``model`` section of a ``config.json``, or some settings of a YAML file.

    Returns:
        Sections "vit", "backbone" and "head", and what is beside them. Settings of heads and backbones of
        another kind than the named one, which the flat form carried along, are left out.
    """
    new: dict[str, Any] = {}

    def put(place: str, value: Any) -> None:
        section, _, name = place.partition(".")
        new.setdefault(section, {})[name] = value

    flat = False
    for name, value in values.items():
        if name in SHORT_NAMES and isinstance(value, dict):
            new.setdefault(name, {}).update(value)
        elif name == "mask2former" and isinstance(value, dict):
            flat = True
            for inner, setting in value.items():
                put(f"mask2former.{inner}", setting)
        elif name in NEW_NAMES:
            flat = flat or name not in SHORT_NAMES
            put(NEW_NAMES[name], value)
        else:
            new[name] = value
    if flat:
        _choose_kinds(new)
    return new


def _choose_kinds(new: dict[str, Any]) -> None:
    """Keeps the entries of a flat form that belong to the named head and backbone."""
    queries = new.pop("mask2former", {})
    head = new.get("head", {})
    if head.get("kind") == "mask2former" or (queries and not head):
        new["head"] = {"kind": "mask2former", **queries}
    for part, known in (("head", HEAD_CONFIGS), ("backbone", BACKBONE_CONFIGS)):
        section = new.get(part, {})
        if section.get("kind") in known:
            own = {one.name for one in fields(known[section["kind"]])}
            new[part] = {name: value for name, value in section.items() if name in own}
