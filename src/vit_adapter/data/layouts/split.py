"""A split of a folder that has none: a function of the file names, the same on every machine."""

import hashlib
from collections.abc import Sequence

from vit_adapter.config import InputError

from .pairs import Pair


def split_by_name(pairs: Sequence[Pair], validation_share: float, where: str) -> dict[str, list[Pair]]:
    """Training and validation part.

    An image is validated when the SHA-256 of its name (path below the image folder, without suffix), as a
    fraction of 1, is below the share. So an image never changes sides when others are added, except that a
    side which would be empty gets the image nearest to it. The shares hold on average: of ten images and a
    share of 0.2, one or four may be validated.

    Args:
        pairs: All pairs.
        validation_share: Share of the images for validation, above 0 and below 1.
        where: The data set, for messages.

    Raises:
        InputError: For fewer than two pairs, or a share outside (0, 1).
    """
    if not 0 < validation_share < 1:
        raise InputError(f"--data.validation_share: {validation_share}, expected more than 0 and less than 1")
    if len(pairs) < 2:
        raise InputError(
            f"{where}: {len(pairs)} image with mask cannot be split into training and validation; add a "
            "second pair, or name the parts yourself (images/train + masks/train, images/val + masks/val)"
        )
    ordered = sorted(pairs, key=lambda pair: name_fraction(pair.name))
    count = sum(name_fraction(pair.name) < validation_share for pair in ordered)
    count = min(max(count, 1), len(pairs) - 1)
    validated = {pair.name for pair in ordered[:count]}
    return {
        "train": [pair for pair in pairs if pair.name not in validated],
        "val": [pair for pair in pairs if pair.name in validated],
    }


def name_fraction(name: str) -> float:
    """The name's place in [0, 1): its SHA-256 read as a fraction."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6], "big") / 2**48
