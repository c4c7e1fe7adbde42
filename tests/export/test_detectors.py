"""Exported detectors against the models that they were made of."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from tiny import TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, ViTPyramid
from vit_adapter.api import export
from vit_adapter.api.export_check import same_boxes
from vit_adapter.cli.export_command import _sides
from vit_adapter.cli.main import main
from vit_adapter.config import (
    ATSSConfig,
    ClassTable,
    GFLConfig,
    InferenceConfig,
    MaskRCNNConfig,
    ObjectConfig,
    SparseRCNNConfig,
)
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import ExportedModel

CLASSES = ClassTable(("road", "sky", "car"), (3, 7, 200), colours=((1, 2, 3), (4, 5, 6), (7, 8, 9)))
WINDOWS = InferenceConfig(crop=64, stride=40, objects=ObjectConfig(score_threshold=0.1))
WHOLE = InferenceConfig(
    mode="whole",
    resize=(256, 192),
    multiple=None,
    pad_to_multiple=32,
    objects=ObjectConfig(score_threshold=0.1),
)
SMALL: dict[str, Any] = {"channels": 16, "convolutions": 1}


def detector(head, protocol=WINDOWS) -> Any:
    """A detector that finds a lot."""
    torch.manual_seed(0)
    options: Any = TINY
    backbone = ViTPyramid(TINY_VIT, options=options, img_size=64)
    made = Segmenter(backbone, head, classes=CLASSES, protocol=protocol)
    for name, weight in made.head.named_parameters():
        if "classifier" in name:
            nn.init.normal_(weight, std=0.2)
    return made.eval()


def boxes_of(found):
    assert len(found) > 3
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """ATSS and its file."""
    made, file = detector(ATSSConfig(**SMALL)), tmp_path_factory.mktemp("onnx") / "model.onnx"
    agreement: Any = export(made, file).agreement
    assert agreement.difference < 1e-4
    assert agreement.boxes == 1
    assert agreement.count > 3
    return made, file


@pytest.mark.slow
def test_a_file_gives_scores_boxes_and_centerness(exported):
    made, file = exported
    images = torch.randn(1, 3, 64, 64)
    session: Any = onnxruntime.InferenceSession(file)
    assert [one.name for one in session.get_outputs()] == ["scores", "boxes", "centerness"]
    scores, boxes, centerness = session.run(None, {"images": images.numpy()})
    locations = 8 * 8 + 4 * 4 + 2 * 2 + 1 + 1
    assert (scores.shape, boxes.shape) == ((1, locations, 3), (1, locations, 4))
    assert centerness.shape == (1, locations)
    assert boxes.min() >= 0
    assert boxes.max() <= 64
    with torch.no_grad():
        found = made.head.candidates(made.backbone(images), (64, 64))
    np.testing.assert_allclose(boxes, found.boxes.numpy(), atol=1e-2)
    np.testing.assert_allclose(scores, found.scores.numpy(), atol=1e-5)


@pytest.mark.slow
def test_boxes_of_images_of_any_size_are_those_of_the_model(exported):
    """Of several windows, of one, and of one that is padded up to the size of the file."""
    made, file = exported
    for size in [(90, 130), (64, 64)]:
        image = render_scene(5, size=size).image
        expected = made.predict(image).instances
        assert same_boxes(boxes_of(expected), ExportedModel(file).boxes(image), max(size)) > 0.99
    padded = ExportedModel(file).boxes(render_scene(5, size=(40, 50)).image)
    assert (padded.boxes <= np.array([50, 40, 50, 40])).all()


@pytest.mark.slow
def test_predict_draws_boxes_and_imports_no_torch(exported, tmp_path):
    made, file = exported
    image = render_scene(5, size=(90, 130)).image
    Image.fromarray(image).save(tmp_path / "a.png")
    words = ["predict", str(file), "a.png", "--out", "out", "--summary", "--score-threshold", "0.2"]
    code = (
        f"import sys\nfrom vit_adapter.cli.main import main\ncode = main({words!r})\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "a_objects.json", "a_overlay.png", "objects.csv",
    }  # fmt: skip
    made.predict(image, score_threshold=0.2).save(tmp_path / "model", "a")
    ours, theirs = (
        json.loads((tmp_path / place / "a_objects.json").read_text()) for place in ("model", "out")
    )
    assert len(ours["annotations"]) == len(theirs["annotations"]) > 0
    for one, other in zip(ours["annotations"], theirs["annotations"], strict=True):
        assert one["category_id"] == other["category_id"]
        np.testing.assert_allclose(one["bbox"], other["bbox"], atol=0.05)
    overlays = [np.asarray(Image.open(tmp_path / place / "a_overlay.png")) for place in ("model", "out")]
    assert overlays[0].shape == overlays[1].shape
    assert (overlays[0] == overlays[1]).mean() > 0.99


@pytest.mark.slow
def test_what_a_file_of_boxes_cannot_do_is_said_in_one_line(exported, tmp_path, capsys):
    _, file = exported
    Image.fromarray(render_scene(1, size=(64, 64)).image).save(tmp_path / "a.png")
    for words, reason in [
        (["--task", "semantic"], "--task semantic: this file gives boxes (detection) only"),
        (["--palette", "beside"], "--palette: is for the task semantic, not for detection"),
        (
            ["--protocol.flip", "true"],
            "2 views (scales, mirror images) can be averaged for the task semantic only",
        ),
    ]:
        assert (
            main(["predict", str(file), str(tmp_path / "a.png"), "--out", str(tmp_path / "o"), *words]) == 2
        )
        assert reason in capsys.readouterr().err
    with pytest.raises(InputError, match="gives boxes, no labels"):
        ExportedModel(file).labels(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.slow
def test_any_size_of_whole_images(tmp_path):
    made, file = detector(GFLConfig(**SMALL), WHOLE), tmp_path / "any.onnx"
    agreement: Any = export(made, file, dynamic=True).agreement
    assert agreement.difference < 1e-4
    assert agreement.boxes > 0.99
    session: Any = onnxruntime.InferenceSession(file)
    assert [one.name for one in session.get_outputs()] == ["scores", "boxes"]
    found, images = ExportedModel(file), torch.randn(3, 3, 192, 256)
    assert found.description.least_side == 160
    scores, _ = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        expected = made.head.candidates(made.backbone(images), (192, 256)).scores
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)
    large = InferenceConfig(mode="whole", multiple=None, pad_to_multiple=32, objects=WHOLE.objects)
    image = render_scene(5, size=(180, 290)).image
    ours = made.predict(image, protocol=large).instances
    assert same_boxes(boxes_of(ours), found.boxes(image, protocol=large), 290) > 0.99


@pytest.mark.slow
def test_learned_proposals_of_one_size(tmp_path, capsys):
    """Sparse R-CNN, whose regions are read at every level in the file; nothing is suppressed."""
    head = SparseRCNNConfig(channels=16, proposals=9, stages=2, heads=2, feedforward=16, dynamic_channels=4)
    made = detector(head, WHOLE)
    made.save_pretrained(tmp_path / "model")
    file = tmp_path / "sparse.onnx"
    assert main(["export", str(tmp_path / "model"), "-o", str(file), "--size", "256x192"]) == 0
    assert "boxes are the model's" in capsys.readouterr().out
    found = ExportedModel(file)
    assert found.description.size == (192, 256)
    image = render_scene(3, size=(192, 256)).image
    assert same_boxes(boxes_of(made.predict(image).instances), found.boxes(image), 256) > 0.99
    with pytest.raises(
        InputError, match="SparseDetector: its file takes images of one size; leave --dynamic out"
    ):
        export(made, file, dynamic=True)


def test_detectors_that_cannot_be_exported_are_refused_in_one_line(tmp_path):
    two_stage = detector(MaskRCNNConfig(channels=16, box_width=16, region_samples=32, masks=False))
    with pytest.raises(InputError, match=r"MaskRCNNHead: cannot be exported with its boxes: .*\(mask_rcnn, "):
        export(two_stage, tmp_path / "model.onnx")
    atss = detector(ATSSConfig(**SMALL))
    for output in ("scores", "labels"):
        with pytest.raises(InputError, match="does not score pixels"):
            export(atss, tmp_path / "model.onnx", output=output)
    with pytest.raises(InputError, match="has no queries"):
        export(atss, tmp_path / "model.onnx", output="queries")
    assert (_sides("1344X800"), _sides("512")) == ((800, 1344), (512, 512))
    with pytest.raises(InputError, match="--dynamic and --size: only one of them"):
        export(atss, tmp_path / "model.onnx", dynamic=True, size=(64, 64))
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "m.onnx"), "--size", "12x"]) == 2
    assert not list(tmp_path.iterdir())
