"""How the images of a run are read: channels as the model takes them, the range of values wherever it is named."""

from vit_adapter.config import InferenceConfig, InputError, RunConfig
from vit_adapter.segmenter.parts import check_number_of_means


def check_channels(config: RunConfig) -> None:
    """Refuses a run whose model and normalisation are for different numbers of channels.

    Raises:
        InputError: ``model.vit.in_chans`` is below 1, or bands have no mean and deviation of their own.
    """
    channels, protocol, data = config.model.vit.in_chans, config.protocol, config.data
    if channels < 1:
        raise InputError(f"model.vit.in_chans={channels}, expected at least 1")
    if isinstance(protocol, InferenceConfig):
        if data.mean is None:
            check_number_of_means(protocol.normalization, channels)
        return
    named = (protocol or {}).get("normalization") or {}
    missing = [
        f"--data.{part}" for part in ("mean", "std") if getattr(data, part) is None and part not in named
    ]
    if missing and channels not in (1, 3):
        raise InputError(
            f"--model.vit.in_chans {channels}: {' and '.join(missing)} missing; bands are read as stored, so name "
            f"{channels} numbers, in the units of the files"
        )


def named_value_range(config: RunConfig) -> tuple[float, float] | None:
    """The values of black and white that a run names, beside the data or in the protocol; None: nowhere."""
    if config.data.value_range is not None:
        return config.data.value_range
    if isinstance(config.protocol, InferenceConfig):
        return config.protocol.value_range
    return (config.protocol or {}).get("value_range")
