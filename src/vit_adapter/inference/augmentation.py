"""Which views of an image the model sees: one, or several scales with their mirror images."""

from dataclasses import dataclass

from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.images import fit_size, fixed_side_size, multiple_size, scaled_limits, short_side_size

from .grid import Size

LONGEST_IN_CROPS = 64
"""Under the rule "short_side" a side gets at most so many crops long. No image of the published sets comes near; a
image of 5x4000 pixels would become 400,000 pixels long."""


@dataclass(frozen=True)
class PlannedView:
    """Sizes of one view, each (height, width) in pixels.

    Attributes:
        resized: After the resize that keeps the ratio.
        size: After each side was stretched to the multiple: what counts as the image.
        padded: After padding at the right and at the bottom: what the model sees.
        flip: Mirrored left to right, before padding.
    """

    resized: Size
    size: Size
    padded: Size
    flip: bool


def plan_views(size: Size, protocol: InferenceConfig) -> list[PlannedView]:
    """All views of an image, for each scale first unflipped, then flipped (behaviour 72).

    Args:
        size: (height, width) of the image in pixels.
        protocol: How the model is applied.

    Returns:
        At least one view.

    Raises:
        InputError: The protocol contradicts itself.
    """
    check_protocol(protocol)
    views = []
    for resized in _resized_sizes(size, protocol):
        stretched = multiple_size(resized, protocol.multiple) if protocol.multiple else resized
        padded = stretched
        if protocol.pad_to_crop:
            padded = max(stretched[0], protocol.crop), max(stretched[1], protocol.crop)
        if protocol.pad_to_multiple:
            padded = multiple_size(padded, protocol.pad_to_multiple)
        flips = (False, True) if protocol.flip else (False,)
        views += [PlannedView(resized, stretched, padded, flip) for flip in flips]
    return views


def check_protocol(protocol: InferenceConfig) -> None:
    """Refuses what cannot be done, or would give labels that do not lie on the image.

    Raises:
        InputError: Names the field, its value and what is expected.
    """
    for name in ("crop", "stride"):
        if getattr(protocol, name) < 1:
            raise InputError(f"protocol: {name} is {getattr(protocol, name)}, expected at least 1 pixel")
    if protocol.mode == "slide" and protocol.stride > protocol.crop:
        raise InputError(
            f"protocol: stride {protocol.stride} is larger than the crop {protocol.crop}, so windows would leave gaps"
        )
    if protocol.mode not in ("slide", "whole"):
        raise InputError(f"protocol: mode is {protocol.mode!r}, expected 'slide' or 'whole'")
    if protocol.mode == "whole" and protocol.pad_to_crop:
        raise InputError("protocol: pad_to_crop needs mode 'slide'; a whole image is not padded to a crop")
    if protocol.resizes and protocol.resize is not None:
        raise InputError(
            f"protocol: resizes {protocol.resizes} and resize {protocol.resize}, expected one of them"
        )
    if protocol.multiple is not None and protocol.multiple < 1:
        raise InputError(f"protocol: multiple is {protocol.multiple}, expected at least 1 or none")
    if not protocol.scales or min(protocol.scales) <= 0:
        raise InputError(f"protocol: scales are {protocol.scales}, expected one or more positive factors")
    if protocol.resize is not None and (len(protocol.resize) != 2 or min(protocol.resize) < 1):
        raise InputError(f"protocol: resize is {protocol.resize}, expected (long, short) in pixels")
    rules = ("fit", "short_side", "fixed_side", "stretch")
    if protocol.resize_rule not in rules:
        raise InputError(f"protocol: resize_rule is {protocol.resize_rule!r}, expected one of {rules}")
    views = max(1, len(protocol.resizes)) * len(_different_scales(protocol))
    if protocol.view_sizes and len(protocol.view_sizes) != views:
        raise InputError(
            f"protocol: view_sizes has {len(protocol.view_sizes)} entries, expected {views}, one for each scale"
        )
    if protocol.resize_rule != "fit" and protocol.resize is None:
        raise InputError(f"protocol: resize_rule {protocol.resize_rule!r} needs a resize, which is none")


def _resized_sizes(size: Size, protocol: InferenceConfig) -> list[Size]:
    """(height, width) of each scale."""
    scales = _different_scales(protocol)
    if protocol.resizes:
        return [
            fit_size(size, scaled_limits(limits, scale)) for limits in protocol.resizes for scale in scales
        ]
    return [_resized(size, protocol, scale) for scale in scales]


def _different_scales(protocol: InferenceConfig) -> tuple[float, ...]:
    """The mean of equal views is the view itself; several different ones are averaged (behaviour 72)."""
    return protocol.scales if len(set(protocol.scales)) > 1 else protocol.scales[:1]


def _resized(size: Size, protocol: InferenceConfig, scale: float) -> Size:
    if protocol.resize is None:
        if scale == 1:
            return size
        return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))
    limits = scaled_limits(protocol.resize, scale)
    if min(limits) < 1:
        raise InputError(f"protocol: resize {protocol.resize} times scale {scale} is less than one pixel")
    if protocol.resize_rule == "fit":
        return fit_size(size, limits)
    if protocol.resize_rule == "stretch":
        return limits
    if protocol.resize_rule == "fixed_side":
        short = min(limits)
        resized = fixed_side_size(size, multiple_size((short, short), 32)[0] if scale < 1 else short)
    else:
        resized = short_side_size(size, limits, protocol.crop)
    longest = LONGEST_IN_CROPS * protocol.crop
    return resized if max(resized) <= longest else fit_size(size, (longest, min(resized)))
