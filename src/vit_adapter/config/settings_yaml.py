"""YAML of settings: a number is what people read as one, and nothing that is written counts for nothing."""

import re
from typing import Any

import yaml

UNCLEAR = "tag:vit-adapter,2026:unclear"
"""Tag of numbers in another base, of dates, and of digits with underscores: YAML reads another number than people."""

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
)
UNCLEAR_NUMBER = re.compile(
    r"[-+]?0[0-9_]+|[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+"  # 010, 0x10, 0o10, 0b10
    r"|[-+]?[0-9][0-9_]*(?::[0-9]+)+(?:\.[0-9_]*)?"  # 12:30
    r"|[-+]?[0-9]+_[0-9_]*(?:\.[0-9_]*)?"  # 1_000
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"  # a date
)
"""What another reader of YAML takes for a number, or for a date."""


class SettingsLoader(yaml.SafeLoader):
    """Reads decimal numbers as numbers (``1e-3`` too); every other form of a number stays the text as written."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (upstream's form)


for tag, pattern, first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"(?:yes|no|true|false|on|off)", list("yYnNtTfFoO")),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
    (UNCLEAR, UNCLEAR_NUMBER.pattern, list("-+0123456789")),
    ("tag:yaml.org,2002:int", _DECIMAL.pattern, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _FLOAT.pattern, list("-+.0123456789")),
):
    flags = re.IGNORECASE if tag.endswith("bool") else 0
    SettingsLoader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z", flags), first)


def _whole(loader: SettingsLoader, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _fraction(loader: SettingsLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _text(loader: SettingsLoader, node: yaml.ScalarNode) -> str:
    return node.value


SettingsLoader.add_constructor("tag:yaml.org,2002:int", _whole)
SettingsLoader.add_constructor("tag:yaml.org,2002:float", _fraction)
SettingsLoader.add_constructor(UNCLEAR, _text)


def read_value(text: str) -> Any:
    """The value of a flag: JSON or YAML; what is not a plain decimal number stays the text as written."""
    value = yaml.load(text, Loader=SettingsLoader)
    if isinstance(value, dict) and value and all(item is None for item in value.values()):
        bare = set(text.strip(" {}").replace(" ", "").split(","))
        if bare == set(map(str, value)) or text.strip() == f"{next(iter(value))}:":
            return text  # "{a,b}" or "a:": a text that only looks like pairs
    return value


def meaning(text: str) -> str:
    """What YAML makes of an unclear number, for a message."""
    value = yaml.safe_load(text)
    return f"the number {value}" if isinstance(value, (int, float)) else "a date or a number of another base"
