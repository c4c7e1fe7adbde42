"""Records of ``metrics/`` about objects: average precision by COCO's own code, panoptic quality by its authors'."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from vit_adapter.annotations import Annotation, Instances, RunLengths, Segments
from vit_adapter.metrics import InstanceEvaluator, PanopticEvaluator, SegmentCounts, compare_segments
from vit_adapter.metrics.average_precision import Found, mean
from vit_adapter.metrics.instances import By

from .roots import read_spec

USUAL_LIMITS = (1, 10, 100)
MANY_LIMITS = (100, 300, 1000)
SIZES = ("small", "medium", "large")


def standard_figures(found: Sequence[Found], limits: Sequence[int]) -> list[float]:
    """COCO's twelve figures; -1 where nothing can be said. The first one is always at 100 objects."""
    most = limits[-1]
    everything = np.array([one.precision("all", most) for one in found])  # [K, T, 101]
    figures = [
        mean(np.array([one.precision("all", 100) for one in found])),
        mean(everything[:, 0]),
        mean(everything[:, 5]),
        *(mean(np.array([one.precision(size, most) for one in found])) for size in SIZES),
        *(mean(np.array([one.recall("all", limit) for one in found])) for limit in limits),
        *(mean(np.array([one.recall(size, most) for one in found])) for size in SIZES),
    ]
    return np.nan_to_num(figures, nan=-1).tolist()


def by_class(found: Sequence[Found], limit: int, thresholds: slice) -> list[float]:
    """Average precision of each class; -1 where nothing can be said."""
    return [float(np.nan_to_num(mean(one.precision("all", limit)[thresholds]), nan=-1)) for one in found]


class Objects:
    """Objects and prediction of a record.

    Attributes:
        images: (prediction, truth) of each image.
        num_classes: Number of categories.
    """

    def __init__(self, images: list[tuple[Instances, Instances]], num_classes: int) -> None:
        self.images, self.num_classes = images, num_classes

    def evaluator(self, by: By, limit: int, classes: bool = True) -> InstanceEvaluator:
        """All images counted, in two halves whose states are exchanged, as two processes would."""
        number = self.num_classes if classes else 1
        halves = [InstanceEvaluator(number, by, limit) for _ in range(2)]
        for image, (found, true) in enumerate(self.images):
            if not classes:
                found, true = _one_class(found), _one_class(true)
            halves[image % 2].update(Annotation(instances=found), Annotation(instances=true), image)
        evaluator = InstanceEvaluator(number, by, limit)
        evaluator.merge(half.state() for half in reversed(halves))
        return evaluator


def objects_of_tensors(record: dict[str, np.ndarray], spec: dict[str, Any], stated_areas: bool) -> Objects:
    """From lists of all images' objects; predicted boxes and masks are separate."""
    images = []
    categories = {category: label for label, category in enumerate(spec["categories"])}

    def part(side: str, image: int) -> Instances:
        def values(name: str) -> np.ndarray | None:
            array = record.get(f"input/{side}.{name}")
            return None if array is None else array[record[f"input/{side}.image"] == image]

        labels, boxes, masks = values("labels"), values("boxes"), values("masks")
        assert labels is not None
        assert boxes is not None
        return Instances(
            np.array([categories[label] for label in labels.tolist()], np.int64),
            np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
            masks,
            values("scores"),
            values("iscrowd"),
            values("area") if stated_areas and side == "truth" else None,
        )

    for image in range(spec["image_count"]):
        images.append((part("prediction", image), part("truth", image)))
    return Objects(images, len(categories))


def objects_of_entries(spec: dict[str, Any], box_areas: bool) -> Objects:
    """From entries as in COCO's files."""
    categories = {category: label for label, category in enumerate(spec["categories"])}
    entries = [*spec["truth"], *spec["predictions"]]

    def part(side: str, image: int) -> Instances:
        own = [entry for entry in spec[side] if entry["image_id"] == image]
        boxes = np.array([entry["bbox"] for entry in own], np.float64).reshape(-1, 4)
        segmentations = [entry["segmentation"] for entry in own]
        areas = [entry["area"] for entry in own] if side == "truth" else boxes[:, 2:].prod(axis=1)
        return Instances(
            np.array([categories[entry["category_id"]] for entry in own], np.int64),
            np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
            [RunLengths.read(one["counts"], tuple(one["size"])) for one in segmentations],
            None if side == "truth" else np.array([entry["score"] for entry in own]),
            np.array([entry["iscrowd"] for entry in own], bool) if side == "truth" else None,
            np.asarray(areas, np.float64) if side == "truth" or box_areas else None,
        )

    images = sorted({entry["image_id"] for entry in entries})
    return Objects([(part("predictions", image), part("truth", image)) for image in images], len(categories))


class Comparison:
    """Compares everything that a record holds, each entry once."""

    def __init__(self, path: Path) -> None:
        self.spec, self.record = read_spec(path), load_file(path)
        self.left = {key for key in self.record if key.startswith("output/")}

    def __call__(self, key: str, ours: Any) -> None:
        theirs = self.record[f"output/{key}"]
        exact = theirs.dtype.kind in "iub"
        tolerance = {"rtol": 0, "atol": 0} if exact else self.spec["tolerance"]["output"]
        np.testing.assert_allclose(np.asarray(ours), theirs, err_msg=key, **tolerance)
        self.left.remove(f"output/{key}")

    def finish(self) -> None:
        """Nothing may be left."""
        assert not self.left, f"outputs not compared: {sorted(self.left)}"


def run_instances(path: Path) -> None:
    """Masks and boxes: the twelve figures, and average precision by class."""
    compare = Comparison(path)
    ways: list[tuple[str, By]] = [("segm", "masks"), ("bbox", "boxes")]
    for name, by in ways:
        found = objects_of_tensors(compare.record, compare.spec, True).evaluator(by, 100).found()
        _compare_figures(compare, name, found, USUAL_LIMITS)
    compare.finish()


def run_boxes(path: Path) -> None:
    """Boxes: figures at two sets of limits, recalls and precisions in full, and boxes without regard to classes."""
    compare = Comparison(path)
    objects = objects_of_tensors(compare.record, compare.spec, True)
    few, many = (objects.evaluator("boxes", limits[-1]).found() for limits in (USUAL_LIMITS, MANY_LIMITS))
    proposals = objects.evaluator("boxes", MANY_LIMITS[-1], classes=False).found()
    _compare_figures(compare, "bbox", few, USUAL_LIMITS)
    compare("bbox.ap_per_class_1000", by_class(many, 1000, slice(None)))
    compare("bbox.stats_100_300_1000", standard_figures(many, MANY_LIMITS))
    compare("proposal.stats_100_300_1000", standard_figures(proposals, MANY_LIMITS))
    curves = np.array([one.precision("all", 100)[[0, 5]] for one in few])  # [K, 2, 101]
    compare("bbox.precision_50_75", np.nan_to_num(curves, nan=-1).transpose(1, 2, 0))
    for name, found, limits in (("recall", few, USUAL_LIMITS), ("recall_100_300_1000", many, MANY_LIMITS)):
        recalls = np.array(
            [[[one.recall(area, limit) for limit in limits] for area in ("all", *SIZES)] for one in found]
        )  # [K, A, M, T]
        compare(f"bbox.{name}", np.nan_to_num(recalls, nan=-1).transpose(3, 0, 1, 2))
    compare.finish()


def run_entries(path: Path) -> None:
    """Masks as run-lengths and boxes, from entries as in COCO's files."""
    compare = Comparison(path)
    plain, boxed = (objects_of_entries(compare.spec, box_areas) for box_areas in (False, True))
    _compare_figures(compare, "segm", plain.evaluator("masks", 100).found(), USUAL_LIMITS)
    _compare_figures(compare, "segm_with_box_key", boxed.evaluator("masks", 100).found(), USUAL_LIMITS)
    _compare_figures(compare, "bbox", boxed.evaluator("boxes", 100).found(), USUAL_LIMITS)
    _compare_figures(compare, "segm_100_300_1000", plain.evaluator("masks", 1000).found(), MANY_LIMITS)
    compare.finish()


def run_panoptic(path: Path) -> None:
    """Counts of each image and class, and the means over all, things and stuff."""
    compare = Comparison(path)
    categories = compare.spec["categories"]
    labels = {category["id"]: label for label, category in enumerate(categories)}
    is_thing = [bool(category["isthing"]) for category in categories]
    evaluator = PanopticEvaluator(is_thing)
    counts: list[SegmentCounts] = []
    for number, image in enumerate(compare.spec["images"]):
        sides = [
            _segments(
                compare.record[f"input/{side}_segment_map.{number}"], image[f"{side}_segments_info"], labels
            )
            for side in ("prediction", "truth")
        ]
        counts.append(compare_segments(*sides, len(labels)))
        half = PanopticEvaluator(is_thing)
        half.update(*(Annotation(segments=side) for side in sides))
        evaluator.merge([half.state()])
    names = {"iou_sum": "iou", "tp": "found", "fp": "wrong", "fn": "missed"}
    for theirs, ours in names.items():
        compare(f"per_image.{theirs}", [getattr(one, ours) for one in counts])
        compare(f"per_class.{theirs}", getattr(evaluator.counts, ours))
    compare("per_class.pq", evaluator.counts.quality)
    compare("per_class.sq", evaluator.counts.segmentation_quality)
    compare("per_class.rq", evaluator.counts.recognition_quality)
    things = np.array(is_thing)
    for group, left_out in (("all", things & False), ("things", ~things), ("stuff", things)):
        one = PanopticEvaluator(is_thing, left_out=np.flatnonzero(left_out).tolist())
        one.merge([evaluator.state()])
        scores = one.scores()
        for name in ("pq", "sq", "rq"):
            compare(f"{group}.{name}", scores[name.upper()])
        compare(f"{group}.count", int((evaluator.counts.seen & ~left_out).sum()))
    assert evaluator.scores()["PQthings"] == compare.record["output/things.pq"]
    compare.finish()


def _compare_figures(compare: Comparison, name: str, found: list[Found], limits: Sequence[int]) -> None:
    compare(f"{name}.stats", standard_figures(found, limits))
    compare(f"{name}.ap_per_class", by_class(found, limits[-1], slice(None)))
    compare(f"{name}.ap50_per_class", by_class(found, limits[-1], slice(0, 1)))


def _segments(ids: np.ndarray, listed: list[dict[str, Any]], labels: dict[int, int]) -> Segments:
    numbers = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    numbers[[segment["id"] for segment in listed]] = np.arange(len(listed)) + 1
    return Segments(
        numbers[ids],
        np.array([labels[segment["category_id"]] for segment in listed], np.int64),
        crowd=np.array([bool(segment["iscrowd"]) for segment in listed], bool),
    )


def _one_class(objects: Instances) -> Instances:
    return Instances(
        np.zeros_like(objects.classes),
        objects.boxes,
        objects.masks,
        objects.scores,
        objects.crowd,
        objects.areas,
    )


RUNNERS: dict[str, Callable[[Path], None]] = {
    "instances__": run_instances,
    "panoptic__": run_panoptic,
    "detections__": run_boxes,
    "detections__run_lengths": run_entries,
}
