"""Records of ``pipeline/`` about COCO's files: annotations, results, class lists, panoptic segments."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import Annotation, Instances, RunLengths
from vit_adapter.annotations.submission import object_entries, panoptic_entry
from vit_adapter.config import class_names
from vit_adapter.config.class_names import COCO_IDS, COCO_PANOPTIC, COCO_THINGS
from vit_adapter.data.detection.coco_annotations import category_labels, images_trained_on, objects_of
from vit_adapter.data.detection.detection_image import DetectionImage
from vit_adapter.data.detection.panoptic_annotations import panoptic_annotation, panoptic_targets, trained_on
from vit_adapter.data.image_sizes import wide_images
from vit_adapter.data.sample import Sample

from .areas import Runner
from .detection_pipeline_cases import build_step, check_image, read, recorded_image
from .recorded_draws import RecordedDraws

PANOPTIC_LABELS = {number: label for label, number in enumerate(COCO_IDS)}


def _equal(ours: Any, recorded: np.ndarray, name: str) -> None:
    ours = np.asarray(ours)
    assert (ours.shape, ours.dtype) == (recorded.shape, recorded.dtype), name
    np.testing.assert_array_equal(ours, recorded, err_msg=name)


class _Sized:
    """Images of which only the size is known."""

    def __init__(self, images: list[dict[str, Any]]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> Sample:
        image = self.images[index]
        pixels = np.broadcast_to(np.uint8(0), (image["height"], image["width"], 3))
        return Sample(pixels, Annotation(), image["file_name"])


def _bitmaps(objects: Instances, size: tuple[int, int]) -> np.ndarray:
    assert objects.masks is not None
    masks = [mask.mask() if isinstance(mask, RunLengths) else mask for mask in objects.masks]
    return np.stack(masks) if masks else np.zeros((0, *size), bool)


def run_annotations(path: Path) -> None:
    """Objects of every image, and which images are used."""
    spec, record = read(path)
    file = spec["annotation_file"]
    names = set(class_names.names_of(COCO_PANOPTIC)[:COCO_THINGS])
    labels = category_labels(file["categories"], names)
    assert list(labels) == spec["cat_ids"]
    assert {str(number): label for number, label in labels.items()} == spec["cat2label"]
    for index, image in enumerate(file["images"]):
        size = image["height"], image["width"]
        own = [one for one in file["annotations"] if one["image_id"] == image["id"]]
        objects, ignored = objects_of(own, size, labels)
        _equal(objects.boxes, record[f"output/bboxes.{index}"], "bboxes")
        _equal(ignored, record[f"output/bboxes_ignore.{index}"], "bboxes_ignore")
        _equal(objects.classes, record[f"output/labels.{index}"], "labels")
        _equal(_bitmaps(objects, size), record[f"output/masks.{index}"], "masks")
    for name, used in spec["used_images"].items():
        images = file["images"]
        if name != "test":
            images = images_trained_on(images, file["annotations"], labels, name == "train_keep_empty")
        assert [image["id"] for image in images] == used["img_ids"]
        assert [image["file_name"] for image in images] == used["file_names"]
        if used["flag"] is not None:
            assert wide_images(_Sized(images)).astype(int).tolist() == used["flag"]  # pyright: ignore


def run_results(path: Path) -> None:
    """Entries of a submission."""
    spec, record = read(path)
    ours, with_masks = [], []
    for index, image_id in enumerate(spec["image_ids"]):
        rows = [record[f"input/bboxes.{index}.{label}"] for label in range(len(spec["cat_ids"]))]
        masks = np.concatenate([record[f"input/masks.{index}.{label}"] for label in range(len(rows))])
        classes = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        boxes = np.concatenate(rows)
        objects = Instances(classes, boxes[:, :4], masks, boxes[:, 4])
        with_masks += object_entries(image_id, objects, spec["cat_ids"])
        ours += object_entries(image_id, Instances(classes, boxes[:, :4], None, boxes[:, 4]), spec["cat_ids"])
    assert ours == spec["expected_bbox_entries"]
    assert with_masks == spec["expected_segm_entries"]


def run_categories(path: Path) -> None:
    """Names, ids and colours of COCO's classes."""
    record = json.loads(path.read_text())
    names, colours = class_names.names_of(COCO_PANOPTIC), class_names.colours_of(COCO_PANOPTIC)
    rows = list(zip(names, COCO_IDS, colours, strict=True))
    for key, ours in (("things", rows[:COCO_THINGS]), ("panoptic", rows)):
        theirs = [(row["name"], row["id"], tuple(row["color"])) for row in record[key]]
        assert ours == theirs
        assert [row["label"] for row in record[key]] == list(range(len(ours)))
    assert [row["isthing"] for row in record["panoptic"]] == [1] * COCO_THINGS + [0] * (
        len(rows) - COCO_THINGS
    )
    assert sorted(set(range(1, 91)) - set(COCO_IDS)) == record["ids_missing_below_91"]


def run_panoptic_loading(path: Path) -> None:
    """Segments as objects, labels, and targets."""
    spec, record = read(path)
    used = []
    for index, segments in enumerate(spec["segments_info"]):
        ids = record[f"input/segment_map.{index}"]
        annotation, ignored = panoptic_annotation(ids, segments, PANOPTIC_LABELS, COCO_THINGS)
        objects, labels = annotation.instances, annotation.labels
        assert objects is not None
        assert labels is not None
        classes, masks = panoptic_targets(objects, labels, COCO_THINGS)
        for name, ours in {
            "bboxes": objects.boxes,
            "bboxes_ignore": ignored,
            "labels": objects.classes,
            "masks": objects.masks,
            "semantic": labels,
            "target_labels": classes,
            "target_masks": masks,
        }.items():
            _equal(ours, record[f"output/{name}.{index}"], f"{name}.{index}")
        if trained_on(ids.shape, segments, PANOPTIC_LABELS, COCO_THINGS):
            used.append(spec["image_ids"][index])
    assert used == spec["training_image_ids"]


def run_panoptic_training(path: Path) -> None:
    """The transforms of the panoptic recipe, whose image is float32 from the beginning, and the targets."""
    spec, record = read(path)
    start = recorded_image(record, spec)
    image: DetectionImage | None = DetectionImage(
        start.image.astype(np.float32), start.objects, start.ignored, start.labels
    )
    draws = RecordedDraws(spec["draws"])
    for step in spec["steps"]:
        ours = build_step(step, spec["given"])
        assert image is not None
        image = image if ours is None else ours(image, draws)
    assert image is not None
    assert not draws.left
    # OpenCV's interpolation of floats adds up in another order; the record allows 1e-4.
    check_image(image, spec, record, 2e-5)
    assert image.labels is not None
    classes, masks = panoptic_targets(image.objects, image.labels, COCO_THINGS)
    _equal(classes, record["output/target_labels"], "target_labels")
    _equal(masks, record["output/target_masks"], "target_masks")


def run_panoptic_results(path: Path) -> None:
    """Numbers of segments as files of a submission."""
    spec, record = read(path)
    for index, expected in enumerate(spec["expected"]["annotations"]):
        numbers = record[f"input/panoptic.{index}"]
        image, entry = panoptic_entry(
            expected["image_id"], numbers, expected["file_name"], COCO_IDS, COCO_THINGS
        )
        _equal(image, record[f"output/png_rgb.{index}"], "png")
        assert entry == expected


RUNNERS: dict[str, Runner] = {
    "coco_annotations__": run_annotations,
    "coco_results__": run_results,
    "coco_categories": run_categories,
    "panoptic_load__": run_panoptic_loading,
    "panoptic_train_pipeline__": run_panoptic_training,
    "panoptic_results__": run_panoptic_results,
}
