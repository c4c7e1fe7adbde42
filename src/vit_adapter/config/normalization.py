"""Mean and deviation can be set in two places of a run, with the data and in the protocol: either applies to both."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .data import DataConfig
from .errors import InputError
from .protocol import InferenceConfig, Normalization, changed_protocol
from .run import RunConfig

PARTS = ("mean", "std")


def with_data_normalization(
    protocol: InferenceConfig, data: DataConfig, changes: InferenceConfig | Mapping[str, Any] | None = None
) -> InferenceConfig:
    """A protocol with the mean, deviation and range of values that the data settings name; what they do not name stays.

    Args:
        protocol: With ``changes`` in it.
        data: Its ``mean`` and ``std`` count, where they are given.
        changes: What the caller named of the protocol: it must not contradict the data settings.

    Raises:
        InputError: Both name a mean (or a deviation), and another one; or their numbers of channels differ.
    """
    named = _named(changes)
    values = {part: getattr(protocol.normalization, part) for part in PARTS}
    for part in PARTS:
        value = getattr(data, part)
        if value is None:
            continue
        if part in named and list(values[part]) != list(value):
            raise InputError(_contradiction(part, value, values[part]))
        values[part] = tuple(value)
    if data.value_range is not None:
        if _names_range(changes) and protocol.value_range != data.value_range:
            raise InputError(
                f"data.value_range is {list(data.value_range)} and protocol.value_range is {protocol.value_range}: "
                "expected the same, or one of them alone"
            )
        protocol = replace(protocol, value_range=data.value_range)
    if len(values["mean"]) != len(values["std"]):
        given = "std" if data.std is not None and data.mean is None else "mean"
        other = "mean" if given == "std" else "std"
        raise InputError(
            f"data.{given} has {len(values[given])} values and the {other} has {len(values[other])}: name data.{other} "
            "as well, with one value for each channel"
        )
    return replace(protocol, normalization=Normalization(**values))


def with_protocol_changes(
    config: RunConfig, changes: Mapping[str, Any] | None, published: DataConfig
) -> RunConfig:
    """A recipe's configuration with what should differ in its protocol.

    A recipe names mean and deviation beside the data too: a new one counts for both places, wherever it is set.

    Args:
        config: The configuration; its protocol is a whole one.
        changes: As ``changed_protocol`` takes them.
        published: The recipe's own data settings, to tell what was changed in those of ``config``.

    Raises:
        InputError: A setting is unknown, or data and protocol contradict each other.
    """
    assert isinstance(config.protocol, InferenceConfig)
    protocol, data = changed_protocol(config.protocol, changes, "--protocol"), config.data
    for part in _named(changes):
        value = list(getattr(protocol.normalization, part))
        if getattr(data, part) not in (None, value, getattr(published, part)):
            raise InputError(_contradiction(part, getattr(data, part), value))
        data = replace(data, **{part: value})
    return replace(config, data=data, protocol=with_data_normalization(protocol, data))


def _named(changes: InferenceConfig | Mapping[str, Any] | None) -> list[str]:
    """Which parts of the normalisation a caller named."""
    inner = changes.get("normalization") if isinstance(changes, Mapping) else None
    return [part for part in PARTS if isinstance(inner, Mapping) and part in inner]


def _names_range(changes: InferenceConfig | Mapping[str, Any] | None) -> bool:
    if isinstance(changes, Mapping):
        return "value_range" in changes
    return changes is not None and changes.value_range is not None


def _contradiction(part: str, data: Any, protocol: Any) -> str:
    return (
        f"data.{part} is {list(data)} and protocol.normalization.{part} is {list(protocol)}: "
        "expected the same, or one of them alone"
    )
