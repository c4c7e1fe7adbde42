"""Records of ``pipeline/`` for detection: transforms, collation, polygons, masks, samplers, sizes.

Recorded images are BGR, ours are RGB. Resizes of 8-bit images equal OpenCV's bit by bit.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from vit_adapter.annotations import Instances, RunLengths, Window, boxes_of_masks, polygons_mask
from vit_adapter.config import InferenceConfig, Normalization
from vit_adapter.data.detection.detection_image import DetectionImage
from vit_adapter.data.detection.instaboost import InstaBoost
from vit_adapter.data.detection.published import training_steps
from vit_adapter.data.detection.steps import (
    CropWithin,
    DropSmallObjects,
    FlipOrNot,
    Normalize,
    OneOf,
    Pad,
    ReduceLabels,
    ResizeByFactor,
    ResizeToOne,
    ResizeWithin,
    Step,
)
from vit_adapter.images import fit_size, multiple_size, scaled_limits
from vit_adapter.inference.augmentation import plan_views
from vit_adapter.inference.views import PreparedView
from vit_adapter.training.group_sampler import endless_batches, epoch_order
from vit_adapter.training.loader import _Collate

from .areas import Runner
from .recorded_draws import RecordedDraws

Record = dict[str, np.ndarray]
Spec = dict[str, Any]


def read(path: Path) -> tuple[Spec, Record]:
    """Specification and arrays of a record."""
    with safe_open(path, "np") as file:
        spec = json.loads((file.metadata() or {})["spec"])
        return spec, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)


def recorded_image(record: Record, spec: Spec, suffix: str = "") -> DetectionImage:
    """What the recorded steps begin with."""
    masks = record.get(f"input/gt_masks{suffix}")
    image = record.get(f"input/img{suffix}")
    if image is None:  # only sizes are recorded
        image = np.zeros((*spec["output_meta"]["ori_shape"][:2], 3), np.uint8)
    ignored = record.get(f"input/gt_bboxes_ignore{suffix}", np.zeros((0, 4), np.float32))
    return DetectionImage(
        np.ascontiguousarray(image[..., ::-1]),
        Instances(record[f"input/gt_labels{suffix}"], record[f"input/gt_bboxes{suffix}"], masks),
        ignored,
        record.get(f"input/gt_semantic_seg{suffix}"),
    )


def build_step(step: Spec, given: Spec) -> Step | None:
    """Our transform for an official one; None: it only changes the container."""
    kind = step["type"]
    if kind == "Resize":
        assert step["keep_ratio"]
        scales = step["img_scale"]
        if "ratio_range" in step:
            return ResizeByFactor(tuple(scales), tuple(step["ratio_range"]))
        if step.get("multiscale_mode") == "range" and isinstance(scales[0], list):
            long, short = ([end(scale) for scale in scales] for end in (max, min))
            return ResizeWithin((min(long), max(long)), (min(short), max(short)))
        scales = scales if isinstance(scales[0], list) else [scales]
        return ResizeToOne(tuple((scale[0], scale[1]) for scale in scales))
    if kind == "RandomFlip":
        if "flip" in given:
            return _GivenFlip(given)
        return FlipOrNot(step["flip_ratio"])
    if kind == "RandomCrop":
        assert step["crop_type"] == "absolute_range"
        recompute, empty = step.get("recompute_bbox", False), step["allow_negative_crop"]
        least, most = step["crop_size"]
        return CropWithin(least, most, recompute, empty)
    if kind == "AutoAugment":
        return OneOf(
            tuple(tuple(_known(build_step(one, given)) for one in policy) for policy in step["policies"])
        )
    if kind == "FilterAnnotations":
        assert step["min_gt_bbox_wh"][0] == step["min_gt_bbox_wh"][1]
        return DropSmallObjects(step["min_gt_bbox_wh"][0])
    if kind == "Normalize":
        assert step["to_rgb"]
        return Normalize(Normalization(tuple(step["mean"]), tuple(step["std"])))
    if kind == "Pad":
        return Pad(step["size_divisor"]) if "size_divisor" in step else Pad(size=tuple(step["size"]))
    if kind == "SegRescale":
        return ReduceLabels(step["scale_factor"])
    assert kind in ("DefaultFormatBundle", "Collect"), kind
    return None


def _known(step: Step | None) -> Step:
    assert step is not None
    return step


class _GivenFlip:
    """A mirror image that was decided on before."""

    def __init__(self, given: Spec) -> None:
        self.given = given

    def __call__(self, image: DetectionImage, draws: Any) -> DetectionImage:
        return image.mirrored(self.given["flip_direction"]) if self.given["flip"] else image


def run_steps(path: Path) -> None:
    """One or several transforms in a row, with what lies between them."""
    spec, record = read(path)
    image: DetectionImage | None = recorded_image(record, spec)
    draws = RecordedDraws(spec["draws"])
    for number, step in enumerate(spec["steps"]):
        ours = build_step(step, spec["given"])
        assert image is not None
        image = image if ours is None else ours(image, draws)
        if image is None:
            assert number == record["output/dropped_at_step"]
            break
        between = {f"output/step{number}.gt_bboxes": image.objects.boxes}
        between[f"output/step{number}.img_shape"] = np.array(image.size)
        if _padded_size(spec, number):  # what is recorded is the size without padding
            between.popitem()
        for name in between.keys() & record.keys():
            _check(between[name], record[name], 1e-6, name)
    assert not draws.left, f"draws that were not asked for: {draws.left}"
    if image is None:
        return
    check_image(image, spec, record)
    last = spec["steps"][-1]["type"]
    assert "output/dropped_at_step" not in record, last


def _padded_size(spec: Spec, number: int) -> bool:
    """Whether the image has been padded by then, whose size without padding is recorded."""
    return any(step["type"] == "Pad" for step in spec["steps"][: number + 1])


def check_image(image: DetectionImage, spec: Spec, record: Record, atol: float = 1e-6) -> None:
    """The end of the steps; ``atol`` is of normalised values, of which one level of 255 is about 0.017."""
    bundled = any(step["type"] == "DefaultFormatBundle" for step in spec["steps"])
    if "output/img" in record:
        recorded = record["output/img"]
        ours = image.image.transpose(2, 0, 1) if bundled else image.image
        if ours.dtype == np.uint8:
            ours = ours[..., ::-1]
        _check(ours, recorded, atol if ours.dtype == np.float32 else 0, "img")
    for name, ours in {
        "gt_bboxes": image.objects.boxes,
        "gt_bboxes_ignore": image.ignored,
        "gt_labels": image.objects.classes,
        "gt_masks": image.objects.masks,
        "gt_semantic_seg": image.labels,
    }.items():
        if f"output/{name}" not in record:
            continue
        assert ours is not None
        recorded = record[f"output/{name}"]
        ours = np.asarray(ours)
        ours = ours[None] if name == "gt_semantic_seg" and bundled else ours
        _check(ours, recorded, 1e-6 if recorded.dtype == np.float32 else 0, name)
    meta = spec["output_meta"]
    # The size without padding is that before the padding.
    size = image.size if image.padded is None or not _padded_size(spec, len(spec["steps"])) else None
    if size is not None:
        assert [*size] == meta["img_shape"][:2]
    if "pad_shape" in meta and image.padded is not None:
        assert [*image.padded] == meta["pad_shape"][:2]
    if "scale_factor" in meta:
        assert image.factors is not None
        np.testing.assert_array_equal(image.factors, np.float32(meta["scale_factor"]))
    if "flip" in meta:
        assert (image.flipped is not None, image.flipped) == (meta["flip"], meta["flip_direction"])


def _check(ours: np.ndarray, recorded: np.ndarray, atol: float, name: str) -> None:
    assert ours.shape == recorded.shape, f"{name}: shape {ours.shape}, recorded {recorded.shape}"
    if recorded.dtype.kind == "f" or recorded.dtype in (np.uint8, np.bool_):
        assert ours.dtype == recorded.dtype, f"{name}: type {ours.dtype}, recorded {recorded.dtype}"
    np.testing.assert_allclose(
        ours.astype(np.float64),
        recorded.astype(np.float64),
        rtol=1e-6 if atol else 0,
        atol=atol,
        err_msg=name,
    )


def run_full_size(path: Path) -> None:
    """The published training transforms as data sets use them, at their true sizes."""
    run_steps(path)
    spec, record = read(path)
    kinds = [step["type"] for step in spec["steps"]]
    if "AutoAugment" in kinds:
        name = "3x"
    elif "FilterAnnotations" in kinds:
        name = "lsj"
    else:
        name = "htc" if spec["steps"][0]["img_scale"][0][0] == 1600 else "objects365"
    image: DetectionImage | None = recorded_image(record, spec)
    draws = RecordedDraws(spec["draws"])
    for step in training_steps(name, Normalization()):
        assert image is not None
        if not isinstance(step, Normalize):
            image = step(image, draws)
    if image is None:
        assert "output/dropped_at_step" in record
        return
    assert not draws.left
    _check(image.objects.boxes, record["output/gt_bboxes"], 1e-6, "gt_bboxes")
    assert [*image.size] == spec["output_meta"]["pad_shape"][:2]


def run_instaboost(path: Path) -> None:
    """InstaBoost: which objects move where, their new masks and boxes, and the new image."""
    spec, record = read(path)
    (step,) = spec["steps"]
    assert (step["action_candidate"], step["action_prob"]) == (["normal", "horizontal", "skip"], [1, 0, 0])
    assert step["dx"] == step["dy"]
    assert step["theta"] == [-1, 1]
    size = record["input/img"].shape[:2]
    masks = np.stack([polygons_mask(polygons, size) for polygons in spec["given"]["segmentations"]])
    image = DetectionImage(
        np.ascontiguousarray(record["input/img"][..., ::-1]),
        Instances(record["input/labels"], record["input/bboxes"], masks),
        np.zeros((0, 4), np.float32),
    )
    draws = RecordedDraws(spec["draws"])
    ours = InstaBoost(
        step["aug_ratio"], tuple(step["scale"]), step["dx"], step["theta"][1], step["color_prob"]
    )(image, draws)
    assert not draws.left, f"draws that were not asked for: {draws.left}"
    _check(ours.image[..., ::-1], record["output/img"], 0, "img")
    _check(ours.objects.boxes, record["output/bboxes"], 0, "bboxes")
    _check(ours.objects.classes, record["output/labels"], 0, "labels")
    _check(np.asarray(ours.objects.masks), record["output/masks"], 0, "masks")
    if ours is not image:
        for mask, polygons in zip(np.asarray(ours.objects.masks), spec["output_polygons"], strict=True):
            np.testing.assert_array_equal(mask, polygons_mask(polygons, size))


def run_collate(path: Path) -> None:
    """Images of several sizes as a batch."""
    spec, record = read(path)
    images: list[DetectionImage] = []
    for index in range(len(spec["output_metas"])):
        image: DetectionImage | None = recorded_image(record, spec, f".{index}")
        for step in spec["steps"]:
            ours = build_step(step, {})
            assert image is not None
            image = image if ours is None else ours(image, RecordedDraws([]))
        assert image is not None
        images.append(image)
    samples = [
        {
            "image": torch.from_numpy(np.ascontiguousarray(one.image.transpose(2, 0, 1))),
            "labels": torch.from_numpy(one.labels),
            "name": "",
            "frame": (one.size, one.padded or one.size),
            "ignore_index": 255,
        }
        for one in images
    ]
    (batch,) = _Collate(len(images))(samples)
    _check(batch["image"].numpy(), record["output/img"], 1e-6, "img")
    _check(batch["labels"].numpy()[:, None], record["output/gt_semantic_seg"], 0, "gt_semantic_seg")
    for index, (one, meta) in enumerate(zip(images, spec["output_metas"], strict=True)):
        _check(one.objects.boxes, record[f"output/gt_bboxes.{index}"], 1e-6, "gt_bboxes")
        _check(np.asarray(one.objects.masks), record[f"output/gt_masks.{index}"], 0, "gt_masks")
        assert [*batch["frames"][index][1]] == meta["pad_shape"][:2]


def run_polygons(path: Path) -> None:
    """Polygons and run-lengths as masks, and back."""
    spec, record = read(path)
    size = spec["height"], spec["width"]
    masks = []
    for index, segmentation in enumerate(spec["segmentations"]):
        if isinstance(segmentation, dict):
            mask = RunLengths.read(segmentation["counts"], tuple(segmentation["size"])).mask()
        else:
            mask = polygons_mask(segmentation, size)
        _check(mask, record[f"output/mask.{index}"], 0, f"mask {index}")
        runs = RunLengths.from_mask(mask)
        assert runs.area == record[f"output/area.{index}"]
        assert runs.compressed() == spec["rle"][index]["counts"]
        left, top, right, bottom = runs.box
        np.testing.assert_array_equal(
            [left, top, right - left, bottom - top], record[f"output/bbox_xywh.{index}"]
        )
        masks.append(mask)
    stack = np.stack(masks)
    _check(boxes_of_masks(stack), record["output/bitmap_boxes"], 0, "bitmap_boxes")
    _check(stack.sum((1, 2)), record["output/bitmap_areas"], 0, "bitmap_areas")


def _objects(masks: np.ndarray) -> DetectionImage:
    """An image with these masks and boxes that are never empty."""
    height, width = masks.shape[1:]
    boxes = np.tile(np.array([0, 0, width, height], np.float32), (len(masks), 1))
    image = np.zeros((height, width, 3), np.uint8)
    return DetectionImage(
        image, Instances(np.zeros(len(masks), np.int64), boxes, masks), np.zeros((0, 4), np.float32)
    )


def run_masks(path: Path) -> None:
    """What happens to masks by themselves."""
    spec, record = read(path)
    masks, parameters = record["input/masks"], spec["parameters"]
    size = masks.shape[1:]

    def window(corners: list[int]) -> Window:
        left, right = (min(max(corner, 0), size[1]) for corner in corners[0::2])
        top, bottom = (min(max(corner, 0), size[0]) for corner in corners[1::2])
        return Window(top, left, max(bottom - top, 1), max(right - left, 1))

    def moved(image: DetectionImage) -> np.ndarray:
        return np.asarray(image.objects.masks)

    image, empty = _objects(masks), _objects(masks[:0])
    enlarged = np.zeros((len(masks), 60, 70), bool)
    enlarged[:, 4 : 4 + size[0], 9 : 9 + size[1]] = masks
    rows, columns = parameters["resize"]
    ours = {
        "areas": masks.sum((1, 2)),
        "boxes": boxes_of_masks(masks),
        "crop": moved(image.cropped(window(parameters["crop"]))),
        "crop_integer": moved(image.cropped(window(parameters["crop_integer"]))),
        "empty_boxes": boxes_of_masks(masks[:0]),
        "empty_crop": moved(empty.cropped(Window(0, 0, 10, 10))),
        "empty_rescale": moved(empty.resized(fit_size(size, (80, 133)))),
        "expand": enlarged,
        "flip_h": moved(image.mirrored("horizontal")),
        "flip_v": moved(image.mirrored("vertical")),
        "flip_d": moved(image.mirrored("diagonal")),
        "pad": moved(image.enlarged(tuple(parameters["pad"]))),
        "rescale": moved(image.resized(fit_size(size, parameters["rescale"]))),
        "rescale_small": moved(image.resized(fit_size(size, parameters["rescale_small"]))),
        "resize": moved(image.resized((rows, columns))),
    }
    assert {f"output/{name}" for name in ours} == {name for name in record if name.startswith("output/")}
    for name, value in ours.items():
        _check(value, record[f"output/{name}"], 0, name)


def run_group_sampler(path: Path) -> None:
    """Which images every process sees in an epoch."""
    spec, record = read(path)
    groups = record["input/flag"]
    replicas, batch = spec["num_replicas"], spec["samples_per_gpu"]
    for name, recorded in record.items():
        if name.startswith("output/"):
            seed, epoch, rank = (int(re.sub(r"\D", "", part)) for part in name[7:].split("."))
            order = epoch_order(groups, batch, replicas, seed + epoch)
            _check(order[rank], recorded, 0, name)


def run_endless_sampler(path: Path) -> None:
    """The first batches of every process in a run without epochs."""
    spec, record = read(path)
    groups = record["input/flag"]
    for name, recorded in record.items():
        if name.startswith("output/"):
            seed, batch, rank = (int(re.sub(r"\D", "", part)) for part in name[7:].split("."))
            batches = endless_batches(groups, batch, seed, rank, spec["num_replicas"])
            _check(np.array([next(batches) for _ in recorded]), recorded, 0, name)


def detection_protocol(step: Spec) -> InferenceConfig:
    """Our protocol for an official test pipeline."""
    steps = {one["type"]: one for one in step["transforms"]}
    scales = step["img_scale"]
    assert steps["Resize"]["keep_ratio"]
    assert steps["Normalize"]["to_rgb"]
    return InferenceConfig(
        resizes=tuple(map(tuple, scales if isinstance(scales[0], list) else [scales])),
        multiple=None,
        pad_to_multiple=steps["Pad"]["size_divisor"],
        mode="whole",
        flip=step["flip"],
        normalization=Normalization(tuple(steps["Normalize"]["mean"]), tuple(steps["Normalize"]["std"])),
    )


def run_test_views(path: Path) -> None:
    """Every view of a test."""
    spec, record = read(path)
    (step,) = spec["steps"]
    image = np.ascontiguousarray(record["input/img"][..., ::-1])
    protocol = detection_protocol(step)
    views = plan_views(image.shape[:2], protocol)
    for index, (view, meta) in enumerate(zip(views, spec["output_metas"], strict=True)):
        assert ([*view.size], [*view.padded], view.flip) == (
            meta["img_shape"][:2],
            meta["pad_shape"][:2],
            meta["flip"],
        )
        factors = [view.size[1] / image.shape[1], view.size[0] / image.shape[0]] * 2
        np.testing.assert_array_equal(np.array(factors, np.float32), np.float32(meta["scale_factor"]))
        if f"output/img.{index}" in record:  # only some are stored
            ours = PreparedView(image, view, protocol).cut(Window(0, 0, *view.padded))[0]
            _check(ours, record[f"output/img.{index}"], 1e-6, f"view {index}")


def run_sizes(path: Path) -> None:
    """Sizes after the resizes of test and training."""
    tables = json.loads(path.read_text())
    for row in tables["test"]:
        size = row["height"], row["width"]
        resized = fit_size(size, row["scale"])
        assert [*resized] == row["after_resize"]
        assert [*multiple_size(resized, 32)] == row["after_pad"]
        factors = np.array([resized[1] / size[1], resized[0] / size[0]] * 2, np.float32)
        np.testing.assert_array_equal(factors, np.float32(row["scale_factor_w_h_w_h"]))
    for row in tables["train_3x"]:
        assert [*fit_size((row["height"], row["width"]), row["scale"])] == row["after_resize"]
    for row in tables["lsj"]:
        limits = scaled_limits((1024, 1024), row["u"] * 1.9 + 0.1)
        assert [*limits] == row["scale"]
        assert [*fit_size((row["height"], row["width"]), limits)] == row["after_resize"]


RUNNERS: dict[str, Runner] = {
    **{
        f"det_{name}__": run_steps
        for name in ("resize", "flip", "random_crop", "filter", "pad", "autoaugment", "train_pipeline")
    },
    "det_normalize": run_steps,
    "det_full_size__": run_full_size,
    "det_instaboost__": run_instaboost,
    "det_collate__": run_collate,
    "det_polygons__": run_polygons,
    "det_mask_operations__": run_masks,
    "det_group_sampler__": run_group_sampler,
    "det_infinite_group_sampler__": run_endless_sampler,
    "det_test_pipeline__": run_test_views,
    "det_sizes": run_sizes,
}
