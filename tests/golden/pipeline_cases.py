"""Records of ``pipeline/``: transforms with every random draw, and tables of sizes.

Recorded images are BGR, ours are RGB. Resizes and HSV equal OpenCV's bit by bit, so resized images are
compared exactly although the specifications allow a level.
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, DataConfig, Normalization
from vit_adapter.data.class_files import ClassEntry
from vit_adapter.data.mapping import build_mapping
from vit_adapter.data.transforms import (
    RandomCrop,
    RandomResize,
    TrainingTransform,
    crop,
    distort_colours,
    draw_flip,
    flip,
)
from vit_adapter.images import (
    fit_size,
    multiple_size,
    normalize,
    pad,
    read_image,
    read_mask,
    resize_image,
    resize_labels,
    scaled_limits,
    short_side_size,
)

from .inference_cases import run_views
from .recorded_draws import RecordedDraws

IGNORE = 255


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, "np") as file:
        spec = json.loads((file.metadata() or {})["spec"])
        return spec, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)


def _bgr(image: np.ndarray) -> np.ndarray:
    return image[..., ::-1]


class _Pair:
    """An image, perhaps labels, and what the recorded steps do to them, done with our functions."""

    def __init__(self, record: dict[str, np.ndarray], spec: dict[str, Any]) -> None:
        self.image = np.ascontiguousarray(_bgr(record["input/img"]))
        self.labels = record.get("input/gt_semantic_seg")
        self.given = dict(spec["given"])
        self.draws = RecordedDraws(spec["draws"])
        self.normalized = False

    def _resize(self, size: tuple[int, int]) -> None:
        self.image = resize_image(self.image, size)
        if self.labels is not None:
            self.labels = resize_labels(self.labels, size)

    def resize(self, step: dict[str, Any]) -> None:
        size = self.image.shape[:2]
        scale = step.get("img_scale", self.given.get("scale"))
        if "ratio_range" in step:
            size = RandomResize(tuple(scale), tuple(step["ratio_range"])).draw(self.draws, size)
        elif step.get("keep_ratio", True):
            size = fit_size(size, scale)
        else:
            size = (scale[1], scale[0])
        self._resize(size)

    def setr_resize(self, step: dict[str, Any]) -> None:
        self._resize(short_side_size(self.image.shape[:2], self.given["scale"], step["crop_size"][0]))

    def resize_to_multiple(self, step: dict[str, Any]) -> None:
        self._resize(multiple_size(self.image.shape[:2], step["size_divisor"]))

    def random_crop(self, step: dict[str, Any]) -> None:
        assert self.labels is not None
        chooser = RandomCrop(tuple(step["crop_size"]), step.get("cat_max_ratio", 1.0), IGNORE)
        box = chooser.draw(self.draws, self.labels)
        self.image, self.labels = crop(self.image, box), crop(self.labels, box)

    def random_flip(self, step: dict[str, Any]) -> None:
        mirrored = self.given["flip"] if "flip" in self.given else draw_flip(self.draws, step["prob"])
        if mirrored:
            vertical = self.given.get("flip_direction") == "vertical"
            self.image = flip(self.image, vertical)
            self.labels = None if self.labels is None else flip(self.labels, vertical)

    def photometric(self, step: dict[str, Any]) -> None:
        self.image = distort_colours(self.image, self.draws)

    def normalize(self, step: dict[str, Any]) -> None:
        assert step["to_rgb"]
        self.image = normalize(self.image, Normalization(tuple(step["mean"]), tuple(step["std"])))
        self.normalized = True

    def pad(self, step: dict[str, Any]) -> None:
        divisor = step.get("size_divisor")
        self._pad(
            tuple(step["size"]) if divisor is None else multiple_size(self.image.shape[:2], divisor), step
        )

    def pad_short_side(self, step: dict[str, Any]) -> None:
        self._pad((step["size"], step["size"]), step)

    def _pad(self, size: tuple[int, int], step: dict[str, Any]) -> None:
        self.image = pad(self.image, size, step.get("pad_val", 0))
        if self.labels is not None:
            self.labels = pad(self.labels, size, step.get("seg_pad_val", IGNORE))

    def keep(self, step: dict[str, Any]) -> None:
        """Steps that only change the container: to a tensor, collected."""

    def run(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            _STEPS[step["type"]](self, step)


_STEPS: dict[str, Callable[[_Pair, dict[str, Any]], None]] = {
    "Resize": _Pair.resize,
    "SETR_Resize": _Pair.setr_resize,
    "ResizeToMultiple": _Pair.resize_to_multiple,
    "RandomCrop": _Pair.random_crop,
    "RandomFlip": _Pair.random_flip,
    "PhotoMetricDistortion": _Pair.photometric,
    "Normalize": _Pair.normalize,
    "Pad": _Pair.pad,
    "PadShortSide": _Pair.pad_short_side,
    "DefaultFormatBundle": _Pair.keep,
    "ImageToTensor": _Pair.keep,
    "Collect": _Pair.keep,
}


def _compare(ours: np.ndarray, recorded: np.ndarray, atol: float, name: str) -> None:
    assert ours.shape == recorded.shape, f"{name}: shape {ours.shape}, recorded {recorded.shape}"
    assert ours.dtype == recorded.dtype, f"{name}: type {ours.dtype}, recorded {recorded.dtype}"
    # With normalised values one level of 255 is about 0.017: 1e-6 still means the very same level.
    np.testing.assert_allclose(ours, recorded, rtol=1e-6 if atol else 0, atol=atol, err_msg=name)


def run_steps(path: Path) -> None:
    """One or several transforms in a row."""
    spec, record = _read(path)
    pair = _Pair(record, spec)
    pair.run(spec["steps"])
    assert not pair.draws.left, f"draws that were not asked for: {pair.draws.left}"
    atol = 1e-6 if pair.normalized else 0
    _compare(pair.image if pair.normalized else _bgr(pair.image), record["output/img"], atol, "img")
    if "output/gt_semantic_seg" in record:
        assert pair.labels is not None
        _compare(pair.labels, record["output/gt_semantic_seg"], 0, "gt_semantic_seg")


def run_photometric(path: Path) -> None:
    """Colours, within what is left open for 8-bit HSV without OpenCV, and nearly always exact."""
    spec, record = _read(path)
    pair = _Pair(record, spec)
    pair.run(spec["steps"])
    assert not pair.draws.left, f"draws that were not asked for: {pair.draws.left}"
    difference = np.abs(_bgr(pair.image).astype(int) - record["output/img"])
    tolerance = spec["tolerance"]["output"]
    assert difference.max() <= tolerance["atol"], f"off by {difference.max()} levels"
    share = (difference <= 2).mean()
    assert share >= tolerance["share_within_2"], f"only {share:.4f} of the values within 2 levels"


def run_training_pipeline(path: Path) -> None:
    """The whole training transform as a data set uses it, driven by its configuration.

    OpenCV's HSV rounds otherwise in the last pixels of a row than in the others, which contrast may enlarge:
    up to two levels (0.0351 after normalisation) where colours went through HSV, exact where they did not.
    """
    spec, record = _read(path)
    steps = {step["type"]: step for step in spec["steps"]}
    assert len({*steps["RandomCrop"]["crop_size"], *steps["Pad"]["size"]}) == 1
    augmentation = AugmentationConfig(
        base_size=tuple(steps["Resize"]["img_scale"]),
        scale_range=tuple(steps["Resize"]["ratio_range"]),
        crop=steps["RandomCrop"]["crop_size"][0],
        category_max_ratio=steps["RandomCrop"]["cat_max_ratio"],
        flip=steps["RandomFlip"]["prob"],
        photometric=True,
    )
    normalization = Normalization(tuple(steps["Normalize"]["mean"]), tuple(steps["Normalize"]["std"]))
    draws = RecordedDraws(spec["draws"])
    transform = TrainingTransform(augmentation, normalization, IGNORE)
    truth = Annotation(record["input/gt_semantic_seg"])
    image, annotation = transform(_bgr(record["input/img"]), truth, draws)
    labels = annotation.labels
    assert labels is not None
    assert not draws.left, f"draws that were not asked for: {draws.left}"
    _compare(image.transpose(2, 0, 1), record["output/img"], _training_atol(spec["draws"]), "img")
    _compare(labels[None].astype(np.int64), record["output/gt_semantic_seg"], 0, "gt_semantic_seg")


def _training_atol(draws: list[dict[str, Any]]) -> float:
    # The same range is drawn from for contrast, which stays exact; the wider bound does no harm there.
    return 0.0351 if any(draw["args"] in ([-18, 18], [0.5, 1.5]) for draw in draws) else 1e-6


def run_test_pipeline(path: Path) -> None:
    """Every view, step by step and by a protocol: for each factor of the scale not mirrored, then mirrored."""
    spec, record = _read(path)
    (outer,) = spec["steps"]
    view = 0
    for factor in outer.get("img_ratios", [1.0]):
        for mirrored in (False, True) if outer["flip"] else (False,):
            pair = _Pair(record, spec)
            pair.given = {"scale": scaled_limits(tuple(outer["img_scale"]), factor), "flip": mirrored}
            pair.run(outer["transforms"])
            _compare(pair.image.transpose(2, 0, 1), record[f"output/img.{view}"], 1e-6, f"img.{view}")
            view += 1
    assert view == sum(key.startswith("output/img.") for key in record)
    run_views(path)


def run_load_image(path: Path) -> None:
    """A PNG file with the recorded values."""
    _, record = _read(path)
    (values,) = (value for key, value in record.items() if key.startswith("input/"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "image.png"
        Image.fromarray(values).save(file)
        _compare(_bgr(read_image(file)), record["output/img"], 0, "img")


def run_load_annotations(path: Path) -> None:
    """A label PNG, grey or with a palette, with and without the reduction of label 0."""
    spec, record = _read(path)
    values = record["input/png_values"]
    photo = Image.fromarray(values)
    if "palette" in path.stem:
        photo.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    with TemporaryDirectory() as folder:
        file = Path(folder) / "labels.png"
        photo.save(file)
        mask = read_mask(file)
    assert (mask.palette is not None) == ("palette" in path.stem)
    labels = mask.values
    if spec["steps"][0]["reduce_zero_label"]:
        # As ADE20K is read: 0 is ignored, value k is class k - 1, the ignored label is 255.
        classes = [ClassEntry(f"class {value}", value) for value in range(1, 255)]
        found = np.unique(values).tolist()
        mapping = build_mapping(DataConfig(), classes, found, where="record", void_id=0, reduce_zero=True)
        labels = mapping.encode(mask, path.name)
    _compare(labels, record["output/gt_semantic_seg"], 0, "gt_semantic_seg")


def run_sizes(path: Path) -> None:
    """Sizes after every kind of resize."""
    tables = json.loads(path.read_text())
    for row in tables["resize"]:
        size, scale = (row["height"], row["width"]), row["scale"]
        after = fit_size(size, scale) if row["keep_ratio"] else (scale[1], scale[0])
        assert list(after) == row["after_resize"], row
        if row["divisor"] is not None:
            assert list(multiple_size(after, row["divisor"])) == row["after_multiple"], row
    for row in tables["multi_scale_lists"]:
        scales = [list(scaled_limits(tuple(row["base_scale"]), ratio)) for ratio in row["ratios"]]
        assert scales == row["scales"], row
    for row in tables["setr_resize"]:
        assert list(scaled_limits(tuple(row["base_scale"]), row["ratio"])) == row["scale"], row
        size = short_side_size((row["height"], row["width"]), row["scale"], row["crop"])
        assert list(size) == row["result"], row
    for row in tables["train_ratio"]:
        draws = RecordedDraws([{"fn": "rand", "args": [], "value": row["u"]}])
        resize = RandomResize(tuple(row["base_scale"]), tuple(row["ratio_range"]))
        height, width = resize.draw(draws, (row["height"], row["width"]))
        assert [width, height] == row["result_w_h"], row
    for row in tables["to_multiple"]:
        assert [*multiple_size((row["height"], row["width"]), row["divisor"])] == row["result"], row


RUNNERS: dict[str, Callable[[Path], None]] = {
    "load_image": run_load_image,
    "load_annotations": run_load_annotations,
    "resize": run_steps,
    "setr_resize": run_steps,
    "random_crop": run_steps,
    "random_flip": run_steps,
    "photometric": run_photometric,
    "normalize": run_steps,
    "pad": run_steps,
    "train_pipeline__upernet": run_training_pipeline,
    "test_pipeline": run_test_pipeline,
    "sizes": run_sizes,
}
