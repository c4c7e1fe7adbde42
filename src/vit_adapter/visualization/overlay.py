"""Labels over an image, with a legend of the classes that occur."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from PIL import Image

from vit_adapter.config import InputError

from .legend import LegendEntry, beside
from .palette import default_palette

_LEGIBLE_SIDE = (
    512  # smaller images are enlarged to about this long side, so that a legend can be read beside
)


def colorize(
    labels: np.ndarray,
    palette: np.ndarray | None = None,
    ignore_colour: tuple[int, int, int] = (0, 0, 0),
) -> np.ndarray:
    """The colour of each pixel's class.

    Args:
        labels: Integers [H, W].
        palette: uint8 [K, 3]; None: ``default_palette``.
        ignore_colour: Colour of labels outside 0..K-1, such as the ignored one.

    Returns:
        uint8 [H, W, 3].
    """
    labels = _checked_labels(labels)
    colours = _palette_for(labels, palette)
    table = np.concatenate([colours, np.array([ignore_colour], np.uint8)])  # [K + 1, 3]
    return table[_inside(labels, len(colours))]


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    palette: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    alpha: float = 0.5,
    legend: bool = True,
) -> np.ndarray:
    """The image with its classes laid over it in colour, thin borders between them, and a legend.

    Pixels whose label lies outside the palette (the ignored ones) show the bare image. Images with a long
    side below 512 pixels are enlarged by a whole factor. The legend, beside or below, lists the classes that
    occur with their share of the pixels, largest first.

    Args:
        image: uint8 [H, W, C]: one channel is shown grey, of more than three the first three are shown. Other
            types are shown with their range of values made 0..255.
        labels: Integers [H, W].
        palette: uint8 [K, 3]; None: ``default_palette``.
        names: K class names; None: "class 0", "class 1" ...
        alpha: Opacity of the colours, 0 (image only) to 1 (colours only).
        legend: False: the image only.

    Returns:
        uint8 [H', W', 3].

    Raises:
        InputError: Labels of another size than the image, or ``alpha`` outside 0..1.
    """
    return np.asarray(overlay_image(image, labels, palette, names, alpha, legend))


def check_alpha(alpha: float) -> None:
    """Refuses an opacity that is no number from 0 to 1."""
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}, expected 0 to 1")


def overlay_image(
    image: np.ndarray,
    labels: np.ndarray,
    palette: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    alpha: float = 0.5,
    legend: bool = True,
    enlarge: bool = True,
) -> Image.Image:
    """As ``overlay``, for a file: one copy less of a large image; without ``enlarge`` a small one keeps its size."""
    labels = _checked_labels(labels)
    shown = displayable(image)
    if shown.shape[:2] != labels.shape:
        raise InputError(f"labels of size {labels.shape} do not fit an image of size {shown.shape[:2]}")
    check_alpha(alpha)
    colours = _palette_for(labels, palette)
    classes = _inside(labels, len(colours))
    entries = _entries(classes, colours, names) if legend else []

    factor = max(1, round(_LEGIBLE_SIDE / max(labels.shape))) if enlarge else 1
    if factor > 1:
        small = Image.fromarray(shown)
        large = small.resize((small.width * factor, small.height * factor), Image.Resampling.BICUBIC)
        shown = np.asarray(large)
        classes = classes.repeat(factor, axis=0).repeat(factor, axis=1)
    blended = _blend(shown, classes, colours, alpha)
    if alpha > 0:
        _draw_borders(blended, classes, width=max(1, round(max(blended.shape) / 1500)))
    return beside(Image.fromarray(blended), entries)


def displayable(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of an image [H, W] or [H, W, C] of any type and number of channels.

    Of types other than uint8 (16-bit images, measurements) the range of the values is made 0..255.
    """
    image = np.asarray(image)
    if image.dtype.kind not in "uif" or image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"image has dtype {image.dtype} and shape {image.shape}, expected numbers [H, W, C]")
    if image.ndim == 2:
        image = image[:, :, None]
    image = image[:, :, :1] if image.shape[2] < 3 else image[:, :, :3]
    if image.dtype != np.uint8:
        image = _stretched(image)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image)


def _stretched(image: np.ndarray) -> np.ndarray:
    values = image.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    factor = 255 / (high - low) if high > low else 0.0
    return np.nan_to_num(np.rint((values - low) * factor), nan=0, posinf=255, neginf=0).astype(np.uint8)


def _checked_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub" or labels.ndim != 2:
        raise InputError(
            f"labels have dtype {labels.dtype} and shape {labels.shape}, expected integers [H, W]"
        )
    return labels


def _palette_for(labels: np.ndarray, palette: np.ndarray | None) -> np.ndarray:
    if palette is not None:
        return np.asarray(palette, np.uint8).reshape(-1, 3)
    ignored = 65535 if labels.dtype.itemsize > 1 and (labels > 255).any() else 255
    usual = labels[(labels >= 0) & (labels < ignored)]
    return default_palette(int(usual.max()) + 1 if usual.size else 1)


def _inside(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels as uint8 or more, everything outside 0..K-1 made K."""
    outside = (labels < 0) | (labels >= classes)
    return np.where(outside, classes, labels).astype(np.min_scalar_type(classes))


def _entries(classes: np.ndarray, colours: np.ndarray, names: Sequence[str] | None) -> list[LegendEntry]:
    """Classes that occur, largest first; pixels of no class come last and are called "ignored"."""
    count = len(colours)
    if names is not None and len(names) != count:
        raise InputError(f"{len(names)} class names given for a palette of {count} colours")
    areas = np.zeros(count + 1, np.int64)
    for row in classes:  # row by row: bincount makes int64 of its input
        areas += np.bincount(row, minlength=count + 1)
    order = sorted(np.flatnonzero(areas[:-1]).tolist(), key=lambda index: (-areas[index], index))
    entries = [
        LegendEntry(
            f"class {index}" if names is None else names[index],
            tuple(colours[index].tolist()),
            areas[index] / classes.size,
            fallback=f"class {index}",
        )
        for index in order
    ]
    if areas[-1]:
        entries.append(LegendEntry("ignored", None, areas[-1] / classes.size))
    return entries


def _blend(image: np.ndarray, classes: np.ndarray, colours: np.ndarray, alpha: float) -> np.ndarray:
    """Strip by strip, so that an image of 24 megapixels needs no float copy of it."""
    # 8 bits of fixed point: table of alpha * colour; the last entry leaves the image alone
    opacity = round(alpha * 256)
    table = np.concatenate([colours.astype(np.uint16) * opacity, np.zeros((1, 3), np.uint16)])
    keep = np.full(len(table), 256 - opacity, np.uint16)
    keep[-1] = 256
    blended = np.empty_like(image)
    for top in range(0, len(image), 256):
        strip = classes[top : top + 256]
        mixed = image[top : top + 256] * keep[strip][..., None] + table[strip]
        blended[top : top + 256] = mixed >> 8
    return blended


def _draw_borders(image: np.ndarray, classes: np.ndarray, width: int) -> None:
    """Draw, in place, a light line of ``width`` pixels where two classes meet."""
    height = len(classes)
    for top in range(0, height, 256):
        bottom = min(top + 256, height)
        strip = classes[top : min(bottom + width, height)]
        rows = bottom - top
        border = np.zeros((rows, classes.shape[1]), bool)
        border[:, :-width] = strip[:rows, :-width] != strip[:rows, width:]
        below = strip[width:][:rows]
        border[: len(below)] |= strip[: len(below)] != below
        part = image[top:bottom]
        part[border] = part[border] // 4 + 191
