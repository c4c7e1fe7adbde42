"""Average precision against COCO's own code, and what it does not depend on."""

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Annotation, Instances, RunLengths
from vit_adapter.config import InputError
from vit_adapter.metrics import InstanceEvaluator
from vit_adapter.metrics.average_precision import mean
from vit_adapter.metrics.overlaps import box_overlaps, mask_overlaps

SIZE = (60, 80)


def random_image(rng: np.random.Generator, objects: int, classes: int) -> tuple[Instances, Instances]:
    """(prediction, truth): ellipses, some found a little beside their place, some twice, some not at all."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]

    def ellipse(x, y, width, height):
        return ((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 <= 1

    true, found = [], []
    for _ in range(objects):
        place = rng.uniform([5, 5, 1, 1], [SIZE[1] - 5, SIZE[0] - 5, 40, 30])
        label = int(rng.integers(classes))
        true.append((label, ellipse(*place), bool(rng.random() < 0.15)))
        for _ in range(rng.choice([0, 1, 1, 2])):
            moved = place + rng.normal(0, 0.1, 4) * place[[2, 3, 2, 3]]
            other = int(rng.integers(classes)) if rng.random() < 0.2 else label
            found.append((other, ellipse(*moved[:2], *np.abs(moved[2:]) + 0.1), rng.integers(20) / 20))

    def masks(entries):
        return np.array([entry[1] for entry in entries], bool).reshape(-1, *SIZE)

    truth = Instances.from_masks(
        np.array([entry[0] for entry in true], np.int64),
        masks(true),
        crowd=np.array([entry[2] for entry in true], bool),
    )
    prediction = Instances.from_masks(
        np.array([entry[0] for entry in found], np.int64),
        masks(found),
        np.array([entry[2] for entry in found]),
    )
    return prediction, truth


def by_pycocotools(
    images: list[tuple[Instances, Instances]], classes: int, kind: str, limit: int
) -> list[float]:
    """COCO's twelve figures."""
    coco_module = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    def entries(objects: Instances, image: int):
        assert isinstance(objects.masks, np.ndarray)
        for index, mask in enumerate(objects.masks):
            runs = RunLengths.from_mask(mask)
            left, top, right, bottom = objects.boxes[index].tolist()
            yield {
                "image_id": image,
                "category_id": int(objects.classes[index]),
                "segmentation": {"size": list(runs.size), "counts": runs.compressed()},
                "bbox": [left, top, right - left, bottom - top],
                "area": runs.area,
                "iscrowd": 0 if objects.crowd is None else int(objects.crowd[index]),
                **({} if objects.scores is None else {"score": float(objects.scores[index])}),
            }

    truth, found = (
        [entry for image, pair in enumerate(images) for entry in entries(pair[side], image)]
        for side in (1, 0)
    )
    for number, entry in enumerate(truth, start=1):
        entry["id"] = number
    if kind == "segm":  # the area of a prediction is that of its mask where it has no box
        found = [{name: value for name, value in entry.items() if name != "bbox"} for entry in found]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO()
        coco.dataset = {
            "images": [{"id": image, "height": SIZE[0], "width": SIZE[1]} for image in range(len(images))],
            "categories": [{"id": label, "name": str(label)} for label in range(classes)],
            "annotations": truth,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), kind)
        evaluation.params.maxDets = [1, min(10, limit - 1), limit]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize(("kind", "by"), [("segm", "masks"), ("bbox", "boxes")])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_pycocotools(kind, by, seed):
    rng = np.random.default_rng(seed)
    images = [random_image(rng, objects, 3) for objects in (6, 0, 3, 12, 1)]
    evaluator = InstanceEvaluator(3, by)
    for prediction, truth in images:
        evaluator.update(Annotation(instances=prediction), Annotation(instances=truth))
    theirs = by_pycocotools(images, 3, kind, 100)
    scores = evaluator.scores()
    ours = [scores[name] for name in ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge")]
    found = evaluator.found()
    for limit in (1, 10, 100):
        ours.append(mean(np.array([one.recall("all", limit) for one in found])))
    np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), theirs[:9], rtol=1e-12)
    assert scores["AR"] == ours[-1]


def test_fewer_objects_count_than_were_found():
    rng = np.random.default_rng(5)
    images = [random_image(rng, 20, 1) for _ in range(3)]
    evaluator = InstanceEvaluator(1, "masks", limit=4)
    for prediction, truth in images:
        evaluator.update(Annotation(instances=prediction), Annotation(instances=truth))
    coco = by_pycocotools(images, 1, "segm", 4)
    assert evaluator.scores()["AP50"] == pytest.approx(coco[1], rel=1e-12)
    assert evaluator.scores()["AR"] == pytest.approx(coco[8], rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(5)), st.integers(0, 5))
def test_neither_the_order_of_the_images_nor_who_counts_them_matters(seed, order, cut):
    rng = np.random.default_rng(seed)
    images = [random_image(rng, int(rng.integers(5)), 2) for _ in range(5)]
    whole, parts = InstanceEvaluator(2), [InstanceEvaluator(2), InstanceEvaluator(2)]
    for image, (prediction, truth) in enumerate(images):
        whole.update(Annotation(instances=prediction), Annotation(instances=truth))
        assert whole.state()["count"] == image + 1
    for place, image in enumerate(order):
        prediction, truth = images[image]
        parts[place >= cut].update(Annotation(instances=prediction), Annotation(instances=truth), image)
    joined = InstanceEvaluator(2)
    joined.merge(part.state() for part in parts)
    assert str(joined.scores()) == str(whole.scores())
    assert joined.figures() == whole.figures()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_overlaps_of_run_lengths_are_those_of_pixels(seed):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 12, 2))
    found, true = (rng.random((count, *size)) < rng.random() for count in (4, 3))
    crowd = rng.random(3) < 0.3
    shared = (found[:, None] & true).sum((2, 3))
    areas = found.sum((1, 2))[:, None]
    union = np.where(crowd, areas, (found[:, None] | true).sum((2, 3)))
    ours = mask_overlaps(*([RunLengths.from_mask(mask) for mask in masks] for masks in (found, true)), crowd)
    np.testing.assert_allclose(ours, np.where(union, shared / np.maximum(union, 1), 0), rtol=1e-12)


def test_overlaps_of_boxes():
    found = np.array([[0, 0, 4, 4], [2, 2, 6, 6], [9, 9, 9, 9]])
    true = np.array([[0, 0, 4, 4], [0, 0, 8, 8]])
    ours = box_overlaps(found, true, np.array([False, True]))
    np.testing.assert_allclose(ours, [[1, 1], [4 / 28, 1], [0, 0]])


def test_own_score_and_figures_of_an_image():
    mask = np.zeros((1, *SIZE), bool)
    mask[0, 10:30, 10:30] = True
    one = Instances.from_masks(np.array([0]), mask)
    found = Instances.from_masks(np.array([0]), mask, np.array([0.9]))
    none = Instances(np.zeros(0, np.int64), np.zeros((0, 4)), [], np.zeros(0))
    evaluator = InstanceEvaluator(2)
    assert evaluator.update(Annotation(instances=found), Annotation(instances=one)) == pytest.approx(1)
    assert evaluator.update(Annotation(instances=none), Annotation(instances=one)) == 0
    assert evaluator.update(Annotation(instances=found), Annotation(instances=none)) == 0
    assert evaluator.update(Annotation(instances=none), Annotation(instances=none)) is None
    assert evaluator.figures() == {"objects": 2, "found": 2, "right": 1}
    assert evaluator.class_values()[0]["objects"] == 2
    assert math.isnan(evaluator.class_values()[1]["AP"])


def test_what_cannot_be_compared_is_an_error_and_counts_nothing():
    none = Annotation(instances=Instances(np.zeros(0, np.int64), np.zeros((0, 4)), []))
    evaluator = InstanceEvaluator(2)
    boxes_only = Annotation(instances=Instances(np.array([0]), np.array([[0, 0, 2, 2]]), scores=np.ones(1)))
    with pytest.raises(InputError, match="objects are missing in the truth"):
        evaluator.update(none, Annotation())
    with pytest.raises(InputError, match="no masks"):
        evaluator.update(boxes_only, none)
    with pytest.raises(InputError, match="no scores"):
        evaluator.update(Annotation(instances=Instances(np.array([0]), np.zeros((1, 4)))), none)
    with pytest.raises(InputError, match="class 5, expected 0 to 1"):
        evaluator.update(none, Annotation(instances=Instances(np.array([5]), np.zeros((1, 4)))))
    small, large = (
        Annotation(instances=Instances.from_masks(np.array([0]), np.ones((1, side, side), bool), np.ones(1)))
        for side in (4, 8)
    )
    with pytest.raises(InputError, match="4×4 and 8×8"):
        evaluator.update(small, large)
    assert evaluator.figures() == {"objects": 0, "found": 0, "right": 0}
    assert math.isnan(evaluator.scores()["AP"])
