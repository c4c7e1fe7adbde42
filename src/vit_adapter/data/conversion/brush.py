"""Label Studio's brush strokes: run-lengths of an RGBA image, packed as bits.

The format is that of the library rle-pack. A head tells the number of values (32 bits), the bits of a value less one
(5 bits) and four lengths of counts less one (4 bits each). Then come blocks: one bit that says whether they repeat one
value, two bits that choose the length of the count, the count less one, and the value or that many values.
"""

from collections.abc import Sequence

import numpy as np

from vit_adapter.config import InputError

CHANNELS = 4  # RGBA; what counts is the last one


def brush_mask(packed: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """The pixels under a brush, bool [H, W].

    Args:
        packed: Bytes 0..255.
        size: (height, width) in pixels.

    Raises:
        InputError: The bytes end too early, or are those of another size.
    """
    height, width = size
    values = unpack(packed, height * width * CHANNELS)
    return values.reshape(height, width, CHANNELS)[..., -1] > 0


def unpack(packed: Sequence[int], expected: int) -> np.ndarray:
    """Values uint8 [N].

    Args:
        packed: Bytes 0..255.
        expected: How many values there have to be: the head is believed only if it says so.

    Raises:
        InputError: They are no such bytes, end too early, or hold another number of values.
    """
    bits = _Bits(packed)
    count, word = bits.number(32), bits.number(5) + 1
    sizes = [bits.number(4) + 1 for _ in range(4)]
    if count != expected:
        raise InputError(f"brush run-lengths of {count} values, expected height x width x 4 = {expected}")
    if word != 8:
        raise InputError(f"brush run-lengths with values of {word} bits, expected 8")
    values = np.zeros(count, np.uint8)
    place = 0
    while place < count:
        repeated = bits.number(1)
        end = place + bits.number(sizes[bits.number(2)]) + 1
        if end > count:
            raise InputError(f"brush run-lengths of more than the {count} values that they announce")
        values[place:end] = bits.number(8) if repeated else bits.octets(end - place)
        place = end
    return values


class _Bits:
    """Reads numbers of any number of bits, one after the other."""

    def __init__(self, packed: Sequence[int]) -> None:
        try:
            self._octets = np.frombuffer(bytes(packed), np.uint8)
        except (TypeError, ValueError):
            raise InputError("brush run-lengths that are not bytes 0..255") from None
        self._place = 0

    def _take(self, count: int) -> np.ndarray:
        """The next so many bits. Only these are spread: all of them would take eight times the memory."""
        first, end = self._step(count)
        spread = np.unpackbits(self._octets[first // 8 : -(-end // 8)])
        return spread[first % 8 : first % 8 + count]

    def _step(self, count: int) -> tuple[int, int]:
        """Goes on by so many bits; where they begin and end."""
        first, end = self._place, self._place + count
        if end > len(self._octets) * 8:
            raise InputError(f"brush run-lengths that end too early, after {len(self._octets)} bytes")
        self._place = end
        return first, end

    def number(self, count: int) -> int:
        first, end = self._step(count)
        last = -(-end // 8)
        joined = int.from_bytes(self._octets[first // 8 : last].tobytes(), "big")
        return joined >> (last * 8 - end) & (1 << count) - 1

    def octets(self, count: int) -> np.ndarray:
        return np.packbits(self._take(count * 8))
