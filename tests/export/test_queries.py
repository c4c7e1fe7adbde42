"""An exported Mask2Former that gives queries: labels, objects and segments of images without torch."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.api import export
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InferenceConfig, ObjectConfig
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import ExportedModel

OBJECTS = ObjectConfig(score_threshold=0.1, segment_threshold=0.05, overlap_threshold=0.01)
PROTOCOL = InferenceConfig(crop=64, stride=40, objects=OBJECTS)
CLASSES = ClassTable(("road", "sky", "car"), (3, 7, 200), is_thing=(False, True, True))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Any, ExportedModel]:
    """A model whose objects differ from place to place, and its file."""
    torch.manual_seed(0)
    made = Segmenter(
        ViTAdapter(TINY_VIT, img_size=64, options=TINY), SMALL_MASK2FORMER, classes=CLASSES, protocol=PROTOCOL,
        task="panoptic",
    )  # fmt: skip
    with torch.no_grad():
        for weight in made.head.parameters():
            weight.mul_(2)
    file = tmp_path_factory.mktemp("queries") / "queries.onnx"
    assert export(made.eval(), file, output="queries").agreement.difference < 1e-4
    return made, ExportedModel(file)


@pytest.mark.slow
def test_the_graph_gives_queries(exported):
    _, model = exported
    session = onnxruntime.InferenceSession(model.file)
    classes, masks = session.run(None, {"images": np.zeros((1, 3, 64, 64), np.float32)})
    assert classes.shape == (1, 7, 4)
    assert masks.shape == (1, 7, 16, 16)
    assert model.tasks == ("panoptic", "semantic", "instance")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (50, 60), (90, 130)])
def test_everything_is_as_the_model_has_it(exported, size):
    """Of an image that fits one window, of a smaller one, and of several windows."""
    made, model = exported
    image = render_scene(3, size=size).image
    labels = made.predict(image, task="semantic").labels
    assert (model.labels(image) == labels).mean() > 0.99
    objects = made.predict(image, task="instance").instances
    found = model.instances(image)
    assert len(found) == len(objects) > 2
    np.testing.assert_allclose(found.scores, objects.scores, atol=2e-3)
    for one, other in zip(found.masks, objects.masks, strict=True):
        assert (one.mask() == other.mask()).mean() > 0.98
    segments = made.predict(image, task="panoptic").segments
    assert (model.segments(image).ids == segments.ids).mean() > 0.98
    assert len(segments) > 0


@pytest.mark.slow
def test_predict_writes_objects_and_imports_no_torch(exported, tmp_path):
    made, model = exported
    image = render_scene(5, size=(64, 64)).image
    Image.fromarray(image).save(tmp_path / "a.png")
    for task, names in [
        (None, {"a_panoptic.png", "a_panoptic.json", "a_overlay.png"}),
        ("instance", {"a_objects.png", "a_objects.json", "a_overlay.png"}),
        ("semantic", {"a_labels.png", "a_overlay.png"}),
    ]:
        words = [
            "predict",
            str(model.file),
            "a.png",
            "--out",
            f"out {task}",
            *(["--task", task] if task else []),
        ]
        code = f"import sys\nfrom vit_adapter.cli.main import main\nprint(main({words!r}), 'torch' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "0 False", done.stderr
        assert {path.name for path in (tmp_path / f"out {task}").iterdir()} == names
    made.predict(image, task="instance").save(tmp_path / "model", "a")
    ours, theirs = (
        json.loads((tmp_path / place / "a_objects.json").read_text())["annotations"]
        for place in ("model", "out instance")
    )
    assert [one["category_id"] for one in ours] == [one["category_id"] for one in theirs]


@pytest.mark.slow
def test_what_it_cannot_do_is_one_line(exported, tmp_path, capsys):
    _, model = exported
    Image.fromarray(render_scene(1, size=(64, 64)).image).save(tmp_path / "a.png")
    for words, reason in [
        (
            ["--task", "detection"],
            "--task detection: this file gives queries (panoptic, semantic, instance) only",
        ),
        (
            ["--protocol.flip", "true"],
            "2 views (scales, mirror images) can be averaged for the task semantic only",
        ),
        (["--scores"], "--scores: "),
    ]:
        out = tmp_path / "out"
        assert main(["predict", str(model.file), str(tmp_path / "a.png"), "--out", str(out), *words]) == 2
        assert reason in capsys.readouterr().err
        assert not list(out.glob("a_*"))
    with pytest.raises(InputError, match="gives queries, no boxes"):
        model.boxes(np.zeros((64, 64, 3), np.uint8))
