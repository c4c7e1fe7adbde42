"""From decoded values to photos: uint8 of one or three channels, and where they are fully transparent."""

import numpy as np

from vit_adapter.config import InputError

from .loading import Decoded
from .remarks import ImageRemarks
from .value_range import WHOLE, Range, believable, outside, to_eight

GREY_WEIGHTS = (19595, 38470, 7471)  # ITU-R 601 luma, times 65536
FRACTION_TOLERANCE = 1e-5  # rounding of a resize may leave 0..1 by so much
ADVICE = "if you know black and white, name both: --data.value_range, of predict --protocol.value_range"


def photo_from_pillow(
    decoded: Decoded, name: str, value_range: Range | None, remarks: ImageRemarks | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """uint8 [H, W] or [H, W, 3], and where it is fully transparent (None: nowhere)."""
    image = decoded.image
    assert image is not None
    mode, key = image.mode, image.info.get("transparency")
    if mode in ("P", "PA"):
        image = image.convert("RGBA" if key is not None or mode == "PA" else "RGB")
    elif mode in ("La", "RGBa"):
        image = image.convert(mode.upper())
    elif mode == "1":
        image = image.convert("L")
    elif mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    # Older Pillow gives 16-bit grey PNG and PGM as 32-bit integers; the values are 0..65535 all the same.
    sixteen = mode.startswith("I;16") or (mode == "I" and decoded.format in ("PNG", "PPM"))
    values = np.asarray(image)
    if image.mode in ("I", "F") and not sixteen and value_range is not None:
        return _to_eight(values, decoded, name, value_range, remarks), None
    if image.mode not in ("L", "LA", "RGB", "RGBA") and not sixteen:
        raise InputError(
            f"{name}: pixels of mode {mode} ({'32-bit integers' if mode == 'I' else 'floating point'}); "
            f"a photo needs 8 or 16 bits, since nothing says which value is white; {ADVICE}"
        )
    if sixteen and decoded.format == "PPM" and decoded.stated is not None:
        # Pillow stretches values up to the declared maximum; a named range is in units of the stored ones.
        values = np.rint(values * (decoded.stated[1] / WHOLE))
    if sixteen:
        return _to_eight(values.astype(np.uint16), decoded, name, value_range, remarks), None
    if image.mode in ("LA", "RGBA"):
        colours = values[..., 0] if image.mode == "LA" else values[..., :3]
        return colours, _where(values[..., -1] == 0)
    if mode == "RGB" and isinstance(key, tuple):
        return values, _where((values == np.asarray(key)).all(axis=-1))
    if mode == "L" and isinstance(key, int):
        return values, _where(values == key)
    return values, None


def photo_from_array(
    decoded: Decoded, name: str, value_range: Range | None, remarks: ImageRemarks | None
) -> tuple[np.ndarray, np.ndarray | None]:
    array = decoded.array
    assert array is not None
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"{name}: shape {shape_text(array)}; expected height x width x 1 (grey), 3 (RGB) or 4 (RGB and alpha); "
            "for other channels set --model.vit.in_chans, and --data.mean and --data.std with one number for each"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: shape {shape_text(array)} holds no pixel")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    colours = array[..., :1] if array.shape[2] < 3 else array[..., :3]
    values = _to_eight(colours, decoded, name, value_range, remarks)
    alpha = array.shape[2] in (2, 4) and (
        decoded.format != "TIFF" or decoded.extra_samples[:1] in ((1,), (2,))
    )
    hidden = _where(_without_range(array[..., -1], name) == 0) if alpha else None
    return values[..., 0] if values.shape[2] == 1 else values, hidden


def _to_eight(
    array: np.ndarray, decoded: Decoded, name: str, value_range: Range | None, remarks: ImageRemarks | None
) -> np.ndarray:
    """uint8 of a photo's values; remarks about their range are collected."""
    if array.dtype == np.uint8:
        return array
    sixteen = array.dtype == np.uint16
    if value_range is not None and array.dtype.kind in "uif":
        if remarks is not None:
            remarks.outside[name] = outside(array, value_range)
        return to_eight(array, value_range, name)
    if sixteen and (stated := believable(decoded.stated, array, decoded.format == "PNG")):
        return to_eight(array, stated, name)
    if sixteen and remarks is not None:
        remarks.sixteen[name] = int(array.max())
    return _without_range(array, name)


def _without_range(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InputError(
            f"{name}: values of type {array.dtype}; expected uint8, uint16, or floating point between 0 and 1; {ADVICE}"
        )
    smallest, largest = float(array.min()), float(array.max())
    if not (smallest >= -FRACTION_TOLERANCE and largest <= 1 + FRACTION_TOLERANCE):
        wrong = (
            f"smallest value {smallest:g}" if smallest < -FRACTION_TOLERANCE else f"largest value {largest:g}"
        )
        raise InputError(
            f"{name}: floating-point image with {wrong}; expected 0..1 (or uint8 in 0..255); {ADVICE}"
        )
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def to_channels(values: np.ndarray, channels: int) -> np.ndarray:
    """A new array [H, W, channels] of a grey [H, W] or colour [H, W, 3] one."""
    if values.ndim == 2:
        return np.repeat(values[..., None], channels, axis=2)
    if channels == 3:
        return values.copy()
    grey = values.astype(np.uint32) @ np.asarray(GREY_WEIGHTS, np.uint32)
    return ((grey + 32768) >> 16).astype(np.uint8)[..., None]


def _where(mask: np.ndarray) -> np.ndarray | None:
    return mask if mask.any() else None


def shape_text(array: np.ndarray) -> str:
    """``480x640x3``."""
    return "x".join(map(str, array.shape)) or "()"
