"""Results and figures of objects and segments: nothing found, small things, cuts between windows, wrong questions."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter import Segmenter
from vit_adapter.annotations import Annotation, Instances, Segments
from vit_adapter.api import predict, train
from vit_adapter.config import ClassTable, DataConfig, InputError, RunConfig, TrainingConfig
from vit_adapter.metrics import InstanceEvaluator, PanopticEvaluator
from vit_adapter.tasks import InstanceResult, PanopticResult

HEADING = "Objects and segments"
TITLES = {
    321: "One process without objects",
    322: "Equal scores in several images",
    323: "More objects than a byte counts",
    324: "Questions that a model cannot answer",
    325: "Thresholds outside their range",
}

SIZE = (40, 60)
SMALL = tiny_model(head="mask2former", mask2former=SMALL_MASK2FORMER)


def blob(top: int, left: int, side: int = 8) -> np.ndarray:
    """A square, bool [1, H, W]."""
    mask = np.zeros((1, *SIZE), bool)
    mask[0, top : top + side, left : left + side] = True
    return mask


def objects(*masks: np.ndarray, scores: list[float] | None = None, label: int = 0) -> Annotation:
    """An annotation of objects of one class."""
    stacked = np.concatenate([np.zeros((0, *SIZE), bool), *masks])
    values = None if scores is None else np.array(scores)
    return Annotation(instances=Instances.from_masks(np.full(len(stacked), label), stacked, values))


def test_s37_no_prediction_at_all():
    """Images without any prediction give AP 0 and a run goes on; what is found in an image without objects is wrong;
    where no image has an object, there is nothing to measure (NaN, null in files), not 0."""
    evaluator = InstanceEvaluator(1)
    for _ in range(2):
        assert evaluator.update(objects(scores=[]), objects(blob(4, 4))) == 0
    assert evaluator.scores()["AP"] == 0
    evaluator = InstanceEvaluator(1)
    evaluator.update(objects(blob(4, 4), scores=[0.6]), objects(blob(4, 4)))
    assert evaluator.scores()["AP"] == pytest.approx(1)
    assert evaluator.update(objects(blob(20, 20), scores=[0.9]), objects()) == 0
    assert evaluator.scores()["AP"] == pytest.approx(0.5)  # precision one half at the only recall
    nothing = InstanceEvaluator(1)
    assert nothing.update(objects(scores=[]), objects()) is None
    assert math.isnan(nothing.scores()["AP"])
    assert math.isnan(PanopticEvaluator([True]).scores()["PQ"])


def test_s38_small_or_medium_by_mask_or_by_box():
    """A thin object counts as small by the pixels of its mask, in AP of masks and of boxes, not by its large box."""
    stroke = np.zeros((1, 60, 60), bool)
    for step in range(40):
        stroke[0, 5 + step, 5 + step : 7 + step] = True
    truth = Instances.from_masks(np.array([0]), stroke)
    found = Instances.from_masks(np.array([0]), stroke, np.array([0.9]))
    assert stroke.sum() == 80
    evaluator = InstanceEvaluator(1, "masks")
    evaluator.update(Annotation(instances=found), Annotation(instances=truth))
    assert evaluator.scores()["APsmall"] == pytest.approx(1)
    assert math.isnan(evaluator.scores()["APmedium"])
    by_box = InstanceEvaluator(1, "boxes")
    by_box.update(Annotation(instances=found), Annotation(instances=truth))
    assert by_box.scores()["APsmall"] == pytest.approx(1)


def test_s321_one_process_without_objects():
    """Of two processes that share a validation one may meet no object and find none: its counts join the others, and
    the figures are those of one process."""
    pairs = [
        (objects(blob(4, 4), scores=[0.8]), objects(blob(4, 5))),
        (objects(scores=[]), objects()),
        (objects(blob(9, 9), blob(20, 30), scores=[0.8, 0.3]), objects(blob(20, 30))),
        (objects(scores=[]), objects()),
    ]
    whole, parts = InstanceEvaluator(1), [InstanceEvaluator(1), InstanceEvaluator(1)]
    for image, (found, true) in enumerate(pairs):
        whole.update(found, true)
        parts[image % 2].update(found, true, image)
    joined = InstanceEvaluator(1)
    joined.merge(part.state() for part in reversed(parts))
    assert str(joined.scores()) == str(whole.scores())
    assert parts[1].figures() == {"objects": 0, "found": 0, "right": 0}
    assert joined.figures() == {"objects": 2, "found": 3, "right": 2}


def test_s322_equal_scores_in_several_images():
    """Equal scores are counted in the order of the images, whichever process measured them."""
    pairs = [
        (objects(blob(20, 30), scores=[0.5]), objects(blob(4, 4))),
        (objects(blob(4, 4), scores=[0.5]), objects(blob(4, 4))),
    ]
    forwards, backwards = InstanceEvaluator(1), InstanceEvaluator(1)
    for image in (0, 1):
        forwards.update(*pairs[image], image)
    for image in (1, 0):
        backwards.update(*pairs[image], image)
    assert forwards.scores() == pytest.approx(backwards.scores(), nan_ok=True)
    assert forwards.scores()["AP50"] == pytest.approx(0.5 * 51 / 101)


def test_s323_more_objects_than_a_byte_counts(tmp_path):
    """Numbers of objects beyond 255 are written in 16 bits, those of segments in three bytes: no two objects share
    one."""
    rows, columns = np.mgrid[:20, :20]
    numbers = np.repeat(np.repeat(rows * 20 + columns, 2, axis=0), 2, axis=1)  # 400 squares of 2 x 2 pixels
    masks = numbers == np.arange(400)[:, None, None]
    image = np.zeros((40, 40, 3), np.uint8)
    found = Instances.from_masks(np.zeros(400, int), masks, np.linspace(1, 0.5, 400))
    result = InstanceResult(image=image, class_names=("dot",), instances=found)
    files = result.save(tmp_path, "dots", overlay=False)
    written = np.asarray(Image.open(files[0]))
    assert len(np.unique(written)) == 400
    segments = Segments(numbers + 1, np.zeros(400, int), np.ones(400))
    result = PanopticResult(image=image, class_names=("dot",), is_thing=(True,), segments=segments)
    files = result.save(tmp_path, "dots", overlay=False)
    red, green, _ = np.asarray(Image.open(files[0])).astype(int).transpose(2, 0, 1)
    assert (red + 256 * green == numbers + 1).all()
    listed = json.loads(files[1].read_text())["annotations"][0]["segments_info"]
    assert [entry["area"] for entry in listed] == [4] * 400


def test_s324_questions_that_a_model_cannot_answer(tmp_path):
    """A head that scores pixels is not asked for objects, classes that do not say which are things not for segments,
    and an average of views not for either: each is one line."""
    pixels = Segmenter.from_config(tiny_model(head="fcn"), ClassTable.numbered(3))
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InputError, match="task 'instance': this model's head answers semantic"):
        pixels.predict(image, task="instance")
    with pytest.raises(InputError, match="the head fcn answers semantic; take --model"):
        train(
            RunConfig(
                model=tiny_model(head="fcn"),
                data=DataConfig(layout="scenes", scenes=(2, 1), scene_size=64),
                training=TrainingConfig(out=str(tmp_path / "run"), steps=1),
                task="panoptic",
            )
        )
    assert not (tmp_path / "run").exists()
    unsaid = Segmenter.from_config(SMALL, ClassTable.numbered(3))
    with pytest.raises(InputError, match="which classes are things"):
        unsaid.predict(image, task="panoptic")
    table = ClassTable(("a", "b"), (0, 1), is_thing=(True, False))
    things = Segmenter.from_config(SMALL, table, task="instance")
    Image.fromarray(image).save(tmp_path / "photo.png")
    for option, message in (
        ({"scores": True}, "--scores: is for the task semantic"),
        ({"tta": True}, "--tta: is for the task semantic"),
        ({"palette": "beside"}, "--palette: is for the task semantic"),
        ({"protocol": {"flip": True}}, "2 views"),
    ):
        try:
            failures = predict(things, str(tmp_path / "photo.png"), tmp_path / "out", quiet=True, **option)
        except InputError as error:
            failures = [("", str(error))]
        assert message in failures[0][1]
    assert not list((tmp_path / "out").glob("photo*"))


def test_s325_thresholds_outside_their_range():
    """Thresholds outside 0..1 and areas below 0 are refused by name."""
    model = Segmenter.from_config(SMALL, ClassTable.numbered(2), task="instance")
    image = np.zeros((64, 64, 3), np.uint8)
    for name, value in (("score_threshold", 1.5), ("mask_threshold", 0.0), ("min_area", -1)):
        with pytest.raises(InputError, match=name):
            model.predict(image, **{name: value})
