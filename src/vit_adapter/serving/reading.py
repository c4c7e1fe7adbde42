"""From an uploaded file to pixels; whatever is wrong with the file is the fault of its sender."""

import numpy as np

from vit_adapter.api.open_model import OpenModel
from vit_adapter.config import InputError

from .problems import Refusal


def read_pixels(model: OpenModel, content: bytes, name: str) -> np.ndarray:
    """The pixels [H, W, C] of an upload.

    Args:
        model: Whose images are read.
        content: The file.
        name: What the client calls it.

    Raises:
        Refusal: It is no image, a damaged one, or one that the model or the server does not take.
        MemoryError: There is not enough for it.
    """
    name = "".join(letter for letter in name if letter.isprintable())[:80] or "image"
    try:
        return model.read(content, name)
    except InputError as error:
        width, height = getattr(error, "width", None), getattr(error, "height", None)
        if width is None or height is None:
            raise Refusal(400, str(error)) from None
        raise Refusal(
            413,
            f"{name}: {width}x{height} pixels; this server takes images of {model.max_pixels} pixels at most",
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise all sorts of errors over damaged files
        raise Refusal(400, f"{name}: cannot be decoded ({error or type(error).__name__})") from None
