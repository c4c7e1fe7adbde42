"""The one reader of images: a file, a Pillow image, an array or a tensor becomes [H, W, C].

Rules, the same for every source:

- **Orientation**: as displayed, the EXIF tag is applied.
- **Photos** (1 or 3 channels wanted): uint8. Of values with more than 8 bits the range from black to white is the
  one that is given, else the one that the file states, else 0 to 65535 for 16 bits, which are then scaled by 1/257
  and rounded. 32-bit integers and floating-point files without a given range are refused, since nothing says what
  is white. Grey is repeated; colour becomes grey by the ITU-R 601 weights where one channel is wanted.
- **Transparency**: alpha is dropped, as in the published pipeline, except that fully transparent pixels
  (alpha 0), whose stored colour no viewer shows, become white.
- **Bands** (any other number of channels): values as stored, uint8, uint16 or float32, nothing scaled; mean
  and standard deviation of the model are in the same units.
"""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeGuard

import numpy as np
from PIL import Image

from vit_adapter.config import MAX_PIXELS, InputError
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.pixel_values import check_value_range

from . import tiff_directory
from .listing import check_no_address
from .loading import Decoded, load_file, orient
from .photos import photo_from_array, photo_from_pillow, shape_text, to_channels
from .recognition import UnreadableImageError
from .remarks import ImageRemarks
from .value_range import DARK, Range

if TYPE_CHECKING:
    import torch

Source: TypeAlias = (  # quoted: torch need not be there
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray | torch.Tensor"
)  # fmt: skip
WHITE = 255
EXACT_AS_FLOAT = (np.int8, np.int16, np.float16, np.float64)  # band types that become float32


@takes_paths("source")
def read_image(
    source: Source,
    channels: int = 3,
    *,
    max_pixels: int = MAX_PIXELS,
    value_range: Range | None = None,
    remarks: ImageRemarks | None = None,
    name: str | None = None,
    bands: Sequence[int] | None = None,
) -> np.ndarray:
    """Read an image; of a file with several images the first.

    Args:
        source: A path (JPEG, PNG, TIFF, BMP, WebP, GIF (first frame), PPM, NPY; recognised by content), the content
            of such a file as bytes, a file opened for binary reading (read from where it stands, not closed), a
            Pillow image, a numpy array [H, W] or [H, W, C], or a tensor [C, H, W]. Arrays of photos are
            uint8, uint16 or floating point in 0..1, with ``value_range`` any whole or floating-point numbers; three
            channels are RGB, two grey and alpha, four RGB and alpha.
        channels: 3 for RGB, 1 for grey; any other number: bands as stored, exactly so many.
        max_pixels: Largest width x height of a file.
        value_range: (black, white) of photos of more than 8 bits; None: as the file states, else the whole range.
        remarks: Collects remarks about the file.
        name: How messages call an image that is given as bytes; None: "image bytes".
        bands: Which bands of the source are the channels, from 1, in this order; None: as they come.

    Returns:
        [H, W, channels], a new contiguous array: uint8 for 1 and 3 channels, otherwise uint8, uint16 or
        float32.

    Raises:
        InputError: No such file, a wrong number of channels, values outside 0..1, an unsupported type.
        UnreadableImageError: A file from which no image can be decoded, or beyond ``max_pixels``.
    """
    check_value_range(value_range, "value_range")
    photo = channels in (1, 3)
    stored = not photo or bands is not None
    if isinstance(source, (str, os.PathLike)):
        check_no_address(source)
        path = Path(source)
        decoded, name = _load(path, None, stored, max_pixels, value_range), str(path)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        name = name or "image bytes"
        decoded = _load(Path(name), bytes(source), stored, max_pixels, value_range)
    elif isinstance(source, Image.Image):
        decoded, name = _from_pillow(source), "Pillow image"
    elif isinstance(source, np.ndarray):
        decoded, name = Decoded(None, source, "array"), "image array"
    elif _is_tensor(source):
        decoded, name = Decoded(None, _from_tensor(source), "array"), "image tensor"
    elif hasattr(source, "read"):
        name = _name_of(source)
        decoded = _load(Path(name), _bytes_of(source, name), stored, max_pixels, value_range)
    else:
        raise InputError(
            f"an image of type {type(source).__name__}; "
            "expected a path, bytes, a binary file, a Pillow image, a numpy array or a tensor"
        )
    if remarks is not None and decoded.images > 1:
        remarks.several[name] = decoded.images
    if bands is not None:
        decoded = _selected(decoded, bands, name)
    if not photo:
        return orient(_bands(decoded, channels, name), decoded.orientation)
    photo_from = photo_from_pillow if decoded.image else photo_from_array
    values, hidden = photo_from(decoded, name, value_range, remarks)
    values = to_channels(values, channels)
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


def _load(
    path: Path, content: bytes | None, stored: bool, max_pixels: int, value_range: Range | None
) -> Decoded:
    """A decoded file, band by band as stored, or as a photo with all bits of 16-bit colours where they matter."""

    def load(deep: bool) -> Decoded:
        return load_file(path, stored, max_pixels, None if content is None else io.BytesIO(content), deep)

    decoded = load(False)
    if stored or not _lost_bits(decoded, value_range):
        return decoded
    try:
        return load(True)
    except UnreadableImageError:
        if value_range is not None:
            raise
        return decoded  # of a kind that only Pillow reads


def _lost_bits(decoded: Decoded, value_range: Range | None) -> bool:
    """Whether Pillow dropped the lower byte of 16-bit colours where it matters: white is not, or seems not, 65535."""
    image = decoded.image
    if image is None or decoded.bits != 16 or image.mode not in ("RGB", "RGBA", "LA"):
        return False
    if value_range is not None or decoded.stated is not None:
        return True
    colours = image.convert("RGB").getextrema()
    return max(largest for _, largest in colours) < DARK >> 8  # pyright: ignore


def _from_pillow(image: Image.Image) -> Decoded:
    try:
        image.load()
    except Exception as error:  # a lazily opened file: whatever its decoder raises
        name = getattr(image, "filename", "") or "Pillow image"
        raise UnreadableImageError(f"{name}: cannot be decoded ({' '.join(str(error).split())})") from None
    return Decoded(image, None, image.format or "", image.getexif().get(tiff_directory.ORIENTATION, 1))


def _is_tensor(source: Any) -> "TypeGuard[torch.Tensor]":
    """Whether it is a tensor; where torch was never imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def _from_tensor(tensor: "torch.Tensor") -> np.ndarray:
    if tensor.ndim != 3:
        raise InputError(f"image tensor of shape {tuple(tensor.shape)}; expected [channels, height, width]")
    if tensor.is_floating_point() and tensor.element_size() < 4:  # numpy has no bfloat16
        tensor = tensor.float()
    return tensor.detach().cpu().permute(1, 2, 0).numpy()


def _selected(decoded: Decoded, bands: Sequence[int], name: str) -> Decoded:
    """Some bands of a decoded image, from 1."""
    array = np.asarray(decoded.image) if decoded.image else np.asarray(decoded.array)
    if decoded.image is not None and decoded.image.mode in ("P", "PA", "1"):
        raise InputError(f"{name}: colours of a palette, which has no bands to choose")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= min(bands) <= max(bands) <= array.shape[2]:
        raise InputError(
            f"{name}: bands {','.join(map(str, bands))} of an image of shape {shape_text(array)}; expected "
            f"numbers from 1 to {array.shape[-1]}"
        )
    chosen = np.ascontiguousarray(array[..., [band - 1 for band in bands]])
    return replace(decoded, image=None, array=chosen, extra_samples=())


def _bands(decoded: Decoded, channels: int, name: str) -> np.ndarray:
    array = np.asarray(decoded.image) if decoded.image else np.asarray(decoded.array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != channels:
        found = (
            f"{array.shape[2]} channels (shape {shape_text(array)})"
            if array.ndim == 3
            else f"shape {shape_text(array)}"
        )
        raise InputError(
            f"{name}: {found}; expected height x width x {channels}, the channels of the model (--model.vit.in_chans, "
            "--data.mean and --data.std)"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: shape {shape_text(array)} holds no pixel")
    if array.dtype.type in EXACT_AS_FLOAT:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="))  # a copy in native byte order
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"{name}: bands of type {array.dtype}; expected uint8, uint16 or float32")
    if array.dtype == np.float32 and not np.isfinite(array).all():
        value = array[~np.isfinite(array)][0]
        raise InputError(f"{name}: holds the value {value}; every value must be finite")
    return array
