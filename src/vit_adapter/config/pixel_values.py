"""Settings in units of pixel values: values that no run and no model can work with."""

import math
from collections.abc import Sequence

from .errors import InputError


def check_normalization(mean: Sequence[float] | None, std: Sequence[float] | None, section: str) -> None:
    """Refuses mean and standard deviation that cannot normalise an image.

    Args:
        mean: One number for each channel, in pixel values; None: not given.
        std: The same.
        section: Where the two are set, such as "data", for the message.

    Raises:
        InputError: Their numbers differ, a number is not finite, or a deviation is not above 0.
    """
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) == 0:
            raise InputError(f"{section}.{name} is empty, expected one number for each channel")
        for channel, value in enumerate(values or ()):
            if not math.isfinite(value) or (name == "std" and value <= 0):
                wanted = "a finite number above 0" if name == "std" else "a finite number"
                raise InputError(
                    f"{section}.{name}: number {channel + 1} is {value:g}, expected {wanted}, in pixel values"
                )
    if mean is not None and std is not None and len(mean) != len(std):
        raise InputError(
            f"{section}.mean has {len(mean)} numbers and {section}.std has {len(std)}; "
            "expected one number for each channel in both"
        )


def check_value_range(values: Sequence[float] | None, name: str) -> None:
    """Refuses an empty range of pixel values.

    Args:
        values: (black, white); None: not given.
        name: The setting, for the message.

    Raises:
        InputError: Not two finite numbers, the first below the second.
    """
    if values is None:
        return
    if not isinstance(values, (list, tuple)):
        raise InputError(f"{name}: {values!r}, expected two numbers, the values of black and of white")
    if len(values) != 2 or not all(map(math.isfinite, values)) or values[0] >= values[1]:
        raise InputError(
            f"{name}: {list(values)}, expected two numbers, the values of black and of white, such as [0, 4095]"
        )
