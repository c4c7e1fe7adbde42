"""Where images and masks are, and how training sees them."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from .pixel_values import check_normalization, check_value_range
from .values import Checked, number, path

LayoutName = Literal[
    "auto",
    "folder",
    "ade20k",
    "camvid",
    "coco_instances",
    "coco_panoptic",
    "yolo",
    "scenes",
    "cityscapes",
    "coco_stuff10k",
    "coco_stuff164k",
    "pascal_context_59",
    "pascal_context_60",
    "mapillary_vistas",
    "potsdam",
    "chase_db1",
]
"""Layouts of data sets on disk."""

PipelineName = Literal["1x", "3x", "htc", "objects365", "lsj", "panoptic"]
"""Published training transforms of detection and of COCO panoptic."""

MAX_PIXELS = 250_000_000
"""Largest width x height of an image unless set otherwise; 750 MB as RGB."""


@dataclass(frozen=True)
class AugmentationConfig(Checked):
    """Random changes of a training image, in the published order: resize, crop, flip, colour.

    Attributes:
        base_size: (long, short) in pixels that ``scale_range`` multiplies, ratio kept; None: the image's own
            size.
        scale_range: Smallest and largest factor of the random resize.
        crop: Side in pixels of the square crop. Smaller images are padded with 0 after normalisation, their labels
            with the ignore id. None: the short side of the median image, within 256 and 512.
        category_max_ratio: A crop in which one class fills more than this share is drawn again, up to ten
            times; 1: never.
        flip: Probability of a horizontal mirror image.
        vertical_flip: Probability of a vertical one, drawn after it; 0: nothing is drawn.
        photometric: Random brightness, contrast, saturation and hue (three-channel images only).
        pipeline: "crops": the changes above. Otherwise those of a published detection recipe instead, and images keep
            the sizes that they come out with: "1x" (short side 800), "3x" (AutoAugment over sizes and crops), "lsj"
            (large-scale jitter, 1024 pixels), "htc" (sizes up to 1600, InstaBoost), "objects365" (sizes up to 2000),
            "panoptic" (as "3x", without its last crop). ``crop`` then says with which size memory is reckoned.
    """

    section: ClassVar[str] = "data.augmentation"

    base_size: tuple[int, int] | None = number(None, at_least=1)
    scale_range: tuple[float, float] = number((0.5, 2.0), above=0)
    crop: int | None = number(512, at_least=1)
    category_max_ratio: float = number(0.75, above=0)
    flip: float = number(0.5, at_least=0, at_most=1)
    vertical_flip: float = number(0.0, at_least=0, at_most=1)
    photometric: bool = True
    pipeline: Literal["crops"] | PipelineName = "crops"

    def mirrors(self) -> str | None:
        """The setting that mirrors images, with its value, for a message; None: they are not mirrored."""
        if self.pipeline != "crops":
            return f"data.augmentation.pipeline {self.pipeline}"
        for name in ("flip", "vertical_flip"):
            if getattr(self, name):
                return f"data.augmentation.{name} {getattr(self, name):g}"
        return None


@dataclass(frozen=True)
class DataConfig(Checked):
    """A data set.

    Attributes:
        root: Its folder. For a plain folder: ``images/train`` + ``masks/train``, ``train/images`` +
            ``train/masks``, ``images`` + ``masks`` without a split, or lists ``train.txt`` and ``val.txt``.
        layout: "auto" recognises the layout by its files; or its name.
        classes: Class names, or a file with them (one per line; CSV, JSON or YAML with ids and colours); None: the
            file ``classes.txt``, ``classes.csv`` ... or ``labelmap.txt`` in the root, else the values found.
        ignore: Id of pixels that count neither in the loss nor in a metric, in the masks as stored.
        ignored_values: Further mask values that are read as ignored.
        label_map: Mask value, as stored in the file, to class number; several values may become one class. None: the
            ids of the class list (0, 1, 2 ... where it has none), or without a class list the values found, in
            ascending order.
        binary: Masks hold 0 and 1, or 0 and 255; the second value is class 1.
        one_class: A single class is enough; everything else is "nothing there". Only Mask2Former can learn that, for
            which it is set automatically; with ``binary`` and one class name, 0 is nothing there.
        reduce_zero: The mask value 0 is ignored and k stands for class k - 1 (the readers of published data sets apply
            it themselves). With ``label_map``, whose values are the stored ones, nothing is shifted: only 0 is ignored.
        nearest_color: Colours outside the colour table are read as the nearest one in it, greys of ``binary`` masks as
            0 or 255: for masks that were smoothed.
        skip_unlabelled: Images without a mask are left out instead of being an error.
        skip_broken: Objects of a JSON that cannot be drawn are left out and counted instead of being an error.
        no_data: Value of missing data in masks, which is read as ignored ("nan" for not-a-number).
        validation_share: Share of the images kept for validation when the folder has no split; their names determine
            which ones.
        scenes: Number of embedded scenes for training and for validation (layout "scenes").
        scene_size: Their sides in pixels.
        workers: Processes that prepare batches; 0: the main one.
        stop_on_bad_image: Stop at an image that cannot be decoded instead of skipping and counting it.
        max_pixels: Images and masks of more pixels (width x height) are refused before they are decoded.
        mean: Per-channel mean in pixel values; None: the ViT's own.
        std: Per-channel standard deviation in pixel values; None: the ViT's own.
        value_range: Values of black and white in images of 1 or 3 channels with more than 8 bits per channel, such as
            (0, 4095) for 12 bits; values outside are clipped. None: what each file states, else 0 and
            65535. Stored with the model, so that prediction reads images in the same way.
        augmentation: Random changes of training images.
        mirrored_classes: Pairs of classes, by name or mask value, that a mirror image exchanges, such as
            ``[[left hand, right hand]]``: labels of mirrored training images, and scores of mirrored views. Stored
            with the model.
    """

    section: ClassVar[str] = "data"

    root: str = path("")
    layout: LayoutName = "auto"
    classes: list[str] | str | None = path(None)
    ignore: int = 255
    ignored_values: list[int] = field(default_factory=list)
    label_map: dict[int, int] | None = None
    binary: bool = False
    one_class: bool = False
    reduce_zero: bool = False
    nearest_color: bool = False
    skip_unlabelled: bool = False
    skip_broken: bool = False
    no_data: float | Literal["nan"] | None = field(default=None, metadata={"limits": {"nan": True}})
    validation_share: float = number(0.2, at_least=0, below=1)
    scenes: tuple[int, int] = number((2000, 100), at_least=0)
    scene_size: int = number(128, at_least=1)
    workers: int = number(2, at_least=0)
    stop_on_bad_image: bool = False
    max_pixels: int = number(MAX_PIXELS, at_least=1)
    mean: list[float] | None = None
    std: list[float] | None = None
    value_range: tuple[float, float] | None = None
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    mirrored_classes: list[list[str | int]] | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that no image can be read with."""
        super().__post_init__()
        check_normalization(self.mean, self.std, "data")
        check_value_range(self.value_range, "data.value_range")
