"""Whole runs that learn objects and segments, with Mask2Former on embedded scenes."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter import Segmenter
from vit_adapter.api import evaluate, load, predict, train
from vit_adapter.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    InputError,
    RunConfig,
    TaskName,
    TrainingConfig,
)
from vit_adapter.tasks import InstanceResult, PanopticResult, SemanticResult

DATA = DataConfig(
    layout="scenes",
    scenes=(4, 3),
    scene_size=64,
    workers=0,
    augmentation=AugmentationConfig(scale_range=(0.8, 1.2), crop=64, photometric=False),
)


def settings(out: Path, task: TaskName | None, **training) -> RunConfig:
    """Two steps of a tiny model."""
    return RunConfig(
        model=tiny_model(
            head="mask2former", mask2former=replace(SMALL_MASK2FORMER, queries=20, loss_points=64)
        ),
        data=DATA,
        training=TrainingConfig(
            **{"steps": 2, "batch_size": 2, "validate_every": 1, "out": str(out), "quiet": True} | training
        ),
        evaluation=EvaluationConfig(device="cpu"),
        task=task,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "headline", "kind", "classes"),
    [
        ("instance", "AP", InstanceResult, 2),
        ("panoptic", "PQ", PanopticResult, 7),
        ("semantic", "mIoU", SemanticResult, 7),
    ],
)
def test_run_of_every_task(tmp_path, task, headline, kind, classes):
    out = tmp_path / "run"
    # What scenes and Mask2Former allow is panoptic, unless something else is named.
    run = train(settings(out, None if task == "panoptic" else task))
    assert run.headline == headline
    assert (run.best_mIoU is None) == (headline != "mIoU")
    stored = json.loads((run.model_folder / "config.json").read_text())
    assert stored.get("task", "semantic") == task
    assert json.loads((run.model_folder / "score.json").read_text())[headline] == run.best_score
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["images"] == 3
    assert figures[headline] == run.best_score
    with (out / "images.csv").open() as file:
        assert headline in next(csv.reader(file))
    with (out / "metrics.csv").open() as file:
        assert headline in next(csv.reader(file))
    assert {"contact_sheet.png", "curves.png", "tensorboard"} <= {path.name for path in out.iterdir()}

    model = load(out)
    assert model.task_name == task
    assert model.num_classes == classes
    again = evaluate(model, DATA, EvaluationConfig(device="cpu"), quiet=True, out=tmp_path / "again")
    assert again.score == run.best_score  # to the last digit
    assert (tmp_path / "again" / "worst").is_dir() == any(image.score is not None for image in again.images)
    image = np.zeros((70, 90, 3), np.uint8)
    result = model.predict(image)
    assert isinstance(result, kind)
    assert result.overlay().width >= 90


@pytest.mark.slow
def test_model_of_segments_answers_other_questions_and_is_a_start_for_others(tmp_path):
    first = train(settings(tmp_path / "first", "panoptic"))
    model = load(first.folder)
    labels = evaluate(model, DATA, quiet=True, task="semantic")
    assert labels.headline == "mIoU"
    objects = evaluate(model, DATA, quiet=True, task="instance")
    assert objects.headline == "AP"
    assert objects.evaluator.figures()["objects"] > 0
    assert model.task_name == "panoptic"  # what is given stays as it is

    # New classes, and another task: rows of the classifier follow the names.
    second = train(
        settings(tmp_path / "second", "instance", init=str(first.folder), steps=1, learning_rate=1e-12)
    )
    old, new = load(first.folder), load(second.folder)
    assert new.class_names == ("car", "person")
    weight = "transformer_decoder.classifier.weight"
    rows_old, rows_new = old.head.state_dict()[weight], new.head.state_dict()[weight]
    wanted = [old.class_names.index(name) for name in new.class_names]
    torch.testing.assert_close(rows_new, rows_old[[*wanted, -1]], rtol=0, atol=1e-6)
    queries = "transformer_decoder.query_content"
    torch.testing.assert_close(
        new.head.state_dict()[queries], old.head.state_dict()[queries], rtol=0, atol=1e-6
    )

    with pytest.raises(InputError, match="task was panoptic and is semantic now"):
        train(settings(first.folder, "semantic", resume=True, steps=3))
    assert train(settings(first.folder, "panoptic", resume=True, steps=3)).steps == 3


@pytest.mark.slow
def test_interrupted_run_goes_on_to_the_same_model(tmp_path):
    whole = train(settings(tmp_path / "whole", "panoptic", steps=3))
    part = train(settings(tmp_path / "part", "panoptic", steps=2))
    assert part.steps == 2
    # The schedule of the first two steps is another one, so only what is loaded is compared: data and order.
    resumed = train(settings(tmp_path / "part", "panoptic", steps=3, resume=True))
    assert resumed.steps == whole.steps == 3
    again = train(settings(tmp_path / "again", "panoptic", steps=3))
    for name, value in load(whole.folder).state_dict().items():
        assert torch.equal(value, load(again.folder).state_dict()[name]), name


@pytest.mark.slow
def test_predicted_files_of_every_task(tmp_path):
    run = train(settings(tmp_path / "run", "panoptic", steps=1))
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)).save(photo)
    kinds = {"panoptic": "panoptic", "instance": "objects", "semantic": "labels"}
    for task, kind in kinds.items():
        out = tmp_path / task
        given = {"score_threshold": 0.0, "mask_threshold": 0.01} if task != "semantic" else {}
        assert predict(run.folder, photo, out, task=task, summary=True, quiet=True, **given) == []
        names = {path.name for path in out.iterdir()}
        table = "summary.csv" if task == "semantic" else "objects.csv"
        assert {f"photo_{kind}.png", "photo_overlay.png", table} <= names
        before = (out / f"photo_{kind}.png").stat().st_mtime_ns
        predict(run.folder, photo, out, task=task, summary=True, quiet=True, skip_existing=True, **given)
        assert (out / f"photo_{kind}.png").stat().st_mtime_ns == before
        if task == "instance":
            with (out / table).open() as file:
                rows = list(csv.DictReader(file))
            listed = json.loads((out / "photo_objects.json").read_text())["annotations"]
            assert len(rows) == len(listed) > 0
            assert {row["class"] for row in rows} <= {"car", "person"}


def test_loss_of_objects_ignores_crowds_and_stuff():
    """Crowds are in no target; panoptic targets are objects of things, and one mask for each class of stuff."""
    from vit_adapter.annotations import InstanceTensors
    from vit_adapter.config import ClassTable
    from vit_adapter.heads import Objects
    from vit_adapter.tasks import TASKS, TrainingTruth

    classes = ClassTable(("sky", "car", "road"), (0, 1, 2), is_thing=(False, True, False))
    labels = torch.tensor([[[0, 1, 1, 2], [0, 1, 255, 2]]])
    masks = torch.zeros(2, 2, 4, dtype=torch.uint8)
    masks[0, :, 1], masks[1, 0, 2] = 1, 1
    boxes = torch.tensor([[1.0, 0, 2, 2], [2, 0, 3, 1]])
    instances = InstanceTensors(torch.tensor([1, 1]), boxes, masks, torch.tensor([False, True]))
    truth = TrainingTruth(labels, [Objects(*instances)])
    found = TASKS["panoptic"].targets(truth, classes, (2, 4)).required_objects()[0]
    assert found.classes.tolist() == [1, 0, 2]
    assert found.masks.sum((1, 2)).tolist() == [2, 2, 2]
    found = TASKS["instance"].targets(truth, classes, (2, 4)).required_objects()[0]
    assert found.classes.tolist() == [1]
    model = Segmenter.from_config(
        tiny_model(head="mask2former", mask2former=replace(SMALL_MASK2FORMER, loss_points=16)),
        classes,
        task="panoptic",
    )
    images = torch.zeros(1, 3, 64, 64)
    large = torch.nn.functional.interpolate(masks[None].float(), size=(64, 64))[0].byte()
    big = InstanceTensors(instances.classes, boxes * 16, large, instances.crowd)
    whole = torch.nn.functional.interpolate(labels[None].float(), size=(64, 64))[0].long()
    assert model.count(whole, [big]) == 3
    losses = model.loss(images, whole, objects=[big])
    assert losses["loss"].isfinite()
    with pytest.raises(InputError, match="these images do not have"):
        model.loss(images, whole)
