"""How the images of a data set are read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vit_adapter.config import DataConfig, InputError
from vit_adapter.images import MAX_PIXELS, ImageRemarks, read_image


@dataclass(frozen=True)
class ImageReading:
    """The settings with which every image of a data set is read.

    Attributes:
        channels: Channels that the model sees: 3 for RGB, 1 for grey, any other number for bands as stored.
        max_pixels: Largest width x height.
        value_range: (black, white) in images of more than 8 bits; None: as each file says.
    """

    channels: int = 3
    max_pixels: int = MAX_PIXELS
    value_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, config: DataConfig, channels: int | None = None) -> "ImageReading":
        """The reading that settings describe.

        Args:
            config: The settings.
            channels: Of the model; None: there is none, so as many as ``config.mean`` has numbers, 3 without.

        Raises:
            InputError: The mean is for another number of channels than the model's, or bands have a range.
        """
        named = None if config.mean is None else len(config.mean)
        if channels is not None and named not in (None, channels):
            raise InputError(
                f"--data.mean has {named} number{'s' * (named != 1)}, but the model takes images of {channels} "
                f"channel{'s' * (channels != 1)} (--model.vit.in_chans); name one number for each channel"
            )
        count = channels or named or 3
        if config.value_range is not None and count not in (1, 3):
            raise InputError(
                f"--data.value_range {list(config.value_range)}: images of {count} channels are read as stored; "
                "--data.mean and --data.std bring them into range"
            )
        return cls(count, config.max_pixels, config.value_range)

    def load(self, file: Path, remarks: ImageRemarks | None = None) -> np.ndarray:
        """Reads an image, [H, W, channels]; arguments and errors as for ``read_image``."""
        return read_image(
            file, self.channels, max_pixels=self.max_pixels, value_range=self.value_range, remarks=remarks
        )
