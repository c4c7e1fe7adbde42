"""How a model is applied to an image: stored with every model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from .changes import with_changes
from .objects import ObjectConfig, SizeRange
from .pixel_values import check_normalization, check_value_range
from .values import Checked, check_argument, number


@dataclass(frozen=True)
class Normalization(Checked):
    """Mean and standard deviation of pixel values 0..255.

    Attributes:
        mean: Of each channel; what is subtracted. Red, green and blue in this order.
        std: Of each channel; what is divided by.
    """

    section: ClassVar[str] = "protocol.normalization"

    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        """Refuses numbers that cannot normalise an image."""
        super().__post_init__()
        check_normalization(self.mean, self.std, "normalization")


# What the published tests do: behaviours 68 to 82.
@dataclass(frozen=True)
class InferenceConfig(Checked):
    """The test protocol.

    Attributes:
        resize: None: native resolution. Otherwise (long, short): the image is scaled, ratio kept, until it
            fits the larger number with its long side and the smaller with its short one.
        resizes: Several of them, each a view of its own (multi-scale tests of detection); instead of ``resize``.
            Each comes in every one of the ``scales``.
        resize_rule: "fit": as above. "short_side": the short side becomes max(crop, smaller number), the long
            one follows without a limit (multi-scale files of the 480, 512 and 640 pixel recipes). "fixed_side": the
            short side becomes the smaller number, of scales below 1 rounded up to a multiple of 32, the long one
            follows without a limit (DINOv3). "stretch": both sides become the numbers, (height, width), and the ratio
            is lost.
        antialias: Resize as Pillow does, which averages where an image shrinks (DINOv3); otherwise as OpenCV does.
        multiple: Each side is stretched up to a multiple of it; None: left as it is.
        pad_to_multiple: Each side is padded, right and bottom, after normalisation, to a multiple of it (tests of
            detection); None: it is not.
        mode: "slide": overlapping windows, scores averaged; "whole": the whole image at once.
        crop: Side of a window in pixels.
        stride: Distance between windows in pixels.
        small_windows: Windows of an image that is smaller than the crop on both sides: "image", as large as it, or
            "square", squares of its shorter side (DINOv3).
        resize_answers: What is resized are the head's own answers, of Mask2Former its mask logits, before scores are
            made of them: to the size of a window, or of a whole image to the size of the image (DINOv3). Otherwise the
            scores are.
        scales: Factors of ``resize``; several are averaged as probabilities.
        view_sizes: Of each of ``resizes``, or of ``scales``, the objects that it is believed for, by area in pixels of
            the image ("s", "m", "l", see ``SizeRange``): what all of them find is joined by suppression (multi-scale
            tests of HTC++). Empty: views are averaged.
        flip: Average every view with its mirror image.
        tta_flip: Whether multi-scale prediction (``tta``) averages mirror images too; False after training without
            them.
        pad_to_crop: Pad images smaller than the crop, right and bottom, to its size: "before" normalisation
            (padding is -mean/std), "after" it (padding is 0), or None: a smaller window instead.
        unpad: As in published settings: padding is cut from the averaged scores before they are resized.
            ``pad_to_crop`` implies it; otherwise labels would not lie on the image.
        normalization: Mean and standard deviation.
        value_range: Values of black and white in images of more than 8 bits, see ``DataConfig``; None: as each file
            says, else the whole range of its type.
        objects: Which objects and segments are given out, of models that find some.
    """

    section: ClassVar[str] = "protocol"

    resize: tuple[int, int] | None = number(None, at_least=1)
    resizes: tuple[tuple[int, int], ...] = number((), at_least=1)
    resize_rule: Literal["fit", "short_side", "fixed_side", "stretch"] = "fit"
    antialias: bool = False
    multiple: int | None = number(32, at_least=1)
    pad_to_multiple: int | None = number(None, at_least=1)
    mode: Literal["slide", "whole"] = "slide"
    crop: int = number(512, at_least=1)
    stride: int = number(341, at_least=1)
    small_windows: Literal["image", "square"] = "image"
    resize_answers: bool = False
    scales: tuple[float, ...] = number((1.0,), above=0)
    view_sizes: tuple[tuple[SizeRange, ...], ...] = ()
    flip: bool = False
    tta_flip: bool = True
    pad_to_crop: Literal["before", "after"] | None = None
    unpad: bool = False
    normalization: Normalization = Normalization()
    value_range: tuple[float, float] | None = None
    objects: ObjectConfig = field(default_factory=ObjectConfig)

    def __post_init__(self) -> None:
        """Refuses an empty range."""
        super().__post_init__()
        check_value_range(self.value_range, "protocol.value_range")


def default_stride(crop: int) -> int:
    """Distance between windows unless set otherwise: two thirds of a window, in pixels."""
    return max(1, crop * 2 // 3)


def changed_protocol(
    base: InferenceConfig, changes: InferenceConfig | Mapping[str, Any] | None, where: str = "protocol"
) -> InferenceConfig:
    """A protocol with some settings replaced: a model's own with what a caller names.

    Args:
        base: What holds without a change.
        changes: Settings by name, such as ``{"flip": True, "normalization": {"std": [64, 64, 64]}}``: what is not
            named keeps the value of ``base``. A new ``crop`` without a ``stride`` brings the stride of two thirds of
            a crop. A whole ``InferenceConfig`` replaces ``base``; None changes nothing.
        where: How the caller names the protocol, for the message.

    Raises:
        InputError: There is no such setting, or its value cannot be used.
    """
    if changes is None:
        return base
    if isinstance(changes, InferenceConfig):
        return changes
    changed = with_changes(base, changes, where)
    if changed.crop != base.crop and "stride" not in changes:
        changed = replace(changed, stride=default_stride(changed.crop))
    return changed


def with_thresholds(
    protocol: InferenceConfig,
    score_threshold: float | None,
    mask_threshold: float | None,
    min_area: int | None,
) -> InferenceConfig:
    """A protocol with other thresholds for objects and segments; None: as it is.

    Raises:
        InputError: One is outside its range.
    """
    changes: dict[str, float | int] = {}
    if score_threshold is not None:
        check_argument("score_threshold", score_threshold, float, at_least=0, at_most=1)
        # A segment's probability has to be above the threshold, an object's score may be equal to it.
        changes |= {"score_threshold": score_threshold, "segment_threshold": min(score_threshold, 1 - 1e-9)}
    if mask_threshold is not None:
        check_argument("mask_threshold", mask_threshold, float, above=0, below=1)
        changes["mask_threshold"] = mask_threshold
    if min_area is not None:
        check_argument("min_area", min_area, int, at_least=0)
        changes["min_area"] = min_area
    return replace(protocol, objects=replace(protocol.objects, **changes)) if changes else protocol
