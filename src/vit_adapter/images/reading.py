"""The one reader of pictures: a file, a Pillow picture, an array or a tensor becomes [H, W, C].

Rules, the same for every source:

- **Orientation**: as displayed, the EXIF tag is applied.
- **Photos** (1 or 3 channels wanted): uint8. 16 bits are scaled by 1/257 and rounded (a file that uses 12 of
  its 16 bits is therefore dark, as it says). 32-bit integers and floating-point files are refused, since
  nothing says what is white. Grey is repeated; colour becomes grey by the ITU-R 601 weights where one channel
  is wanted.
- **Transparency**: alpha is dropped, as in the published pipeline, except that fully transparent pixels
  (alpha 0), whose stored colour no viewer shows, become white.
- **Bands** (any other number of channels): values as stored, uint8, uint16 or float32, nothing scaled; mean
  and standard deviation of the model are in the same units.
"""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image

from vit_adapter.config import MAX_PIXELS, InputError

from . import tiff_directory
from .loading import Decoded, load_file, orient
from .recognition import UnreadableImageError
from .remarks import ImageRemarks

Source = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | Image.Image
    | np.ndarray
    | torch.Tensor
)
WHITE = 255
GREY_WEIGHTS = (19595, 38470, 7471)  # ITU-R 601 luma, times 65536
FRACTION_TOLERANCE = 1e-5  # rounding of a resize may leave 0..1 by so much
EXACT_AS_FLOAT = (np.int8, np.int16, np.float16, np.float64)  # band types that become float32


def read_image(
    source: Source,
    channels: int = 3,
    *,
    max_pixels: int = MAX_PIXELS,
    remarks: ImageRemarks | None = None,
) -> np.ndarray:
    """Read a picture; of a file with several images the first.

    Args:
        source: A path (JPEG, PNG, TIFF, BMP, WebP, GIF (first frame), PPM, NPY; recognised by content), the content
            of such a file as bytes, a file opened for binary reading (read from where it stands, not closed), a
            Pillow picture, a numpy array [H, W] or [H, W, C], or a tensor [C, H, W]. Arrays of photos are
            uint8, uint16 or floating point in 0..1; three channels are RGB, two grey and alpha, four RGB and
            alpha.
        channels: 3 for RGB, 1 for grey; any other number: bands as stored, exactly so many.
        max_pixels: Largest width x height of a file.
        remarks: Gets what is to be known about the file.

    Returns:
        [H, W, channels], a new contiguous array: uint8 for 1 and 3 channels, otherwise uint8, uint16 or
        float32.

    Raises:
        InputError: No such file, a wrong number of channels, values outside 0..1, an unsupported type.
        UnreadableImageError: A file from which no picture can be decoded, or beyond ``max_pixels``.
    """
    photo = channels in (1, 3)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        decoded, name = load_file(path, not photo, max_pixels), str(path)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        name = "image bytes"
        decoded = load_file(Path(name), not photo, max_pixels, io.BytesIO(source))
    elif isinstance(source, Image.Image):
        decoded, name = _from_pillow(source), "Pillow picture"
    elif isinstance(source, np.ndarray):
        decoded, name = Decoded(None, source, "array"), "picture array"
    elif isinstance(source, torch.Tensor):
        decoded, name = Decoded(None, _from_tensor(source), "array"), "picture tensor"
    elif hasattr(source, "read"):
        name = _name_of(source)
        decoded = load_file(Path(name), not photo, max_pixels, io.BytesIO(_bytes_of(source, name)))
    else:
        raise InputError(
            f"a picture of type {type(source).__name__}; "
            "expected a path, bytes, a binary file, a Pillow picture, a numpy array or a tensor"
        )
    if remarks is not None and decoded.images > 1:
        remarks.several[name] = decoded.images
    if not photo:
        return orient(_bands(decoded, channels, name), decoded.orientation)
    values, hidden = _photo_from_pillow(decoded, name) if decoded.image else _photo_from_array(decoded, name)
    values = _to_channels(values, channels)
    if hidden is not None:
        values[hidden] = WHITE
    return orient(values, decoded.orientation)


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else "image file"


def _bytes_of(file: Any, name: str) -> bytes:
    try:
        content = file.read()
    except (OSError, ValueError) as error:  # ValueError: closed already, or of an undecodable text file
        raise InputError(f"{name}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(content, bytes):
        if hasattr(content, "close"):
            content.close()  # an awaitable that nobody will await
        raise InputError(
            f"{name}: read() gives {type(content).__name__}, expected bytes (open files with 'rb'; of an upload take "
            "its file, or read it first)"
        )
    return content


def _from_pillow(image: Image.Image) -> Decoded:
    try:
        image.load()
    except Exception as error:  # a lazily opened file: whatever its decoder raises
        name = getattr(image, "filename", "") or "Pillow picture"
        raise UnreadableImageError(f"{name}: cannot be decoded ({' '.join(str(error).split())})") from None
    return Decoded(image, None, image.format or "", image.getexif().get(tiff_directory.ORIENTATION, 1))


def _from_tensor(tensor: torch.Tensor) -> np.ndarray:
    if tensor.ndim != 3:
        raise InputError(f"picture tensor of shape {tuple(tensor.shape)}; expected [channels, height, width]")
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    return tensor.detach().cpu().permute(1, 2, 0).numpy()


def _photo_from_pillow(decoded: Decoded, name: str) -> tuple[np.ndarray, np.ndarray | None]:
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
    if image.mode not in ("L", "LA", "RGB", "RGBA") and not sixteen:
        raise InputError(
            f"{name}: pixels of mode {mode} ({'32-bit integers' if mode == 'I' else 'floating point'}); "
            "a photo needs 8 or 16 bits, since nothing says which value is white"
        )
    values = np.asarray(image)
    if sixteen:
        return _sixteen_to_eight(values), None
    if image.mode in ("LA", "RGBA"):
        colours = values[..., 0] if image.mode == "LA" else values[..., :3]
        return colours, _where(values[..., -1] == 0)
    if mode == "RGB" and isinstance(key, tuple):
        return values, _where((values == np.asarray(key)).all(axis=-1))
    if mode == "L" and isinstance(key, int):
        return values, _where(values == key)
    return values, None


def _photo_from_array(decoded: Decoded, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    array = decoded.array
    assert array is not None
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"{name}: shape {_shape(array)}; expected height x width x 1 (grey), 3 (RGB) or 4 (RGB and alpha); "
            "for other channels set --model.in_chans, and --data.mean and --data.std with one number for each"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: shape {_shape(array)} holds no pixel")
    values = _to_eight(array, name)
    alpha = values.shape[2] in (2, 4) and (
        decoded.format != "TIFF" or decoded.extra_samples[:1] in ((1,), (2,))
    )
    hidden = _where(values[..., -1] == 0) if alpha else None
    return values[..., :1][..., 0] if values.shape[2] < 3 else values[..., :3], hidden


def _to_eight(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return _sixteen_to_eight(array)
    if array.dtype.kind != "f":
        raise InputError(
            f"{name}: values of type {array.dtype}; expected uint8, uint16, or floating point between 0 and 1"
        )
    smallest, largest = float(array.min()), float(array.max())
    if not (smallest >= -FRACTION_TOLERANCE and largest <= 1 + FRACTION_TOLERANCE):
        wrong = (
            f"smallest value {smallest:g}" if smallest < -FRACTION_TOLERANCE else f"largest value {largest:g}"
        )
        raise InputError(f"{name}: floating-point picture with {wrong}; expected 0..1 (or uint8 in 0..255)")
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def _sixteen_to_eight(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _to_channels(values: np.ndarray, channels: int) -> np.ndarray:
    """A new array [H, W, channels] of a grey [H, W] or colour [H, W, 3] one."""
    if values.ndim == 2:
        return np.repeat(values[..., None], channels, axis=2)
    if channels == 3:
        return values.copy()
    grey = values.astype(np.uint32) @ np.asarray(GREY_WEIGHTS, np.uint32)
    return ((grey + 32768) >> 16).astype(np.uint8)[..., None]


def _bands(decoded: Decoded, channels: int, name: str) -> np.ndarray:
    array = np.asarray(decoded.image) if decoded.image else np.asarray(decoded.array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != channels:
        found = (
            f"{array.shape[2]} channels (shape {_shape(array)})"
            if array.ndim == 3
            else f"shape {_shape(array)}"
        )
        raise InputError(
            f"{name}: {found}; expected height x width x {channels}, the channels of the model (--model.in_chans, "
            "--data.mean and --data.std)"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: shape {_shape(array)} holds no pixel")
    if array.dtype.type in EXACT_AS_FLOAT:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="))  # a copy in native byte order
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"{name}: bands of type {array.dtype}; expected uint8, uint16 or float32")
    if array.dtype == np.float32 and not np.isfinite(array).all():
        value = array[~np.isfinite(array)][0]
        raise InputError(f"{name}: holds the value {value}; every value must be finite")
    return array


def _where(mask: np.ndarray) -> np.ndarray | None:
    return mask if mask.any() else None


def _shape(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape)) or "()"
