"""Images in: the one reader of photos and masks, resizes, normalisation."""

from vit_adapter.config import MAX_PIXELS

from .listing import IMAGE_SUFFIXES, arrays_remark, list_images, walk_images
from .loading import read_content
from .masks import Mask, read_mask
from .normalization import normalize, pad
from .reading import read_image
from .recognition import TooManyPixelsError, UnreadableImageError
from .remarks import ImageRemarks
from .resizing import (
    fit_size,
    fixed_side_size,
    multiple_size,
    nearest_indices,
    resize_antialiased,
    resize_image,
    resize_labels,
    scaled_limits,
    short_side_size,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ImageRemarks",
    "Mask",
    "TooManyPixelsError",
    "UnreadableImageError",
    "arrays_remark",
    "fit_size",
    "fixed_side_size",
    "list_images",
    "multiple_size",
    "nearest_indices",
    "normalize",
    "pad",
    "read_content",
    "read_image",
    "read_mask",
    "resize_antialiased",
    "resize_image",
    "resize_labels",
    "scaled_limits",
    "short_side_size",
    "walk_images",
]
