"""``vit-adapter eval`` of a published recipe on real ADE20K images, against scores computed here."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter.api import build, load
from vit_adapter.cli.main import main
from vit_adapter.weights.official import to_official
from vit_adapter.zoo.recipes import RECIPES

RECIPE = "upernet_deit_adapter_tiny_512_160k_ade20k"
SMALL = ["--protocol.resize", "[512, 128]", "--protocol.crop", "128", "--protocol.stride", "85"]
"""A quarter of the published sizes: the same steps in a sixteenth of the time."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights in the official form; of the classes the first twelve, so that some pixels are right."""
    torch.manual_seed(0)
    model = build(RECIPE)
    with torch.no_grad():
        model.head.classifier.weight.normal_()
        model.head.classifier.bias[12:] = -100
    path = tmp_path_factory.mktemp("published") / "checkpoint.pth.tar"
    torch.save({"state_dict": to_official(model.state_dict()), "meta": {"epoch": 1}}, path)
    return path


@pytest.fixture(scope="module")
def evaluated(checkpoint, data_root, tmp_path_factory):
    """Folder of the results, what was printed, and the predictions and masks by name."""
    out = tmp_path_factory.mktemp("measured")
    root = data_root / "ade20k" / "ADEChallengeData2016"
    words = ["--checkpoint", str(checkpoint), "--data.root", str(root), "--out", str(out), "--limit", "2"]
    words += ["--evaluation.device", "cpu", "--quiet", *SMALL]
    return out, root, words


def areas(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[150, 150] counts, rows the truth; 0 in the mask is not labelled, 1..150 are the classes."""
    valid = mask > 0
    pairs = (mask[valid].astype(np.int64) - 1) * 150 + prediction[valid]
    return np.bincount(pairs, minlength=150 * 150).reshape(150, 150)


@pytest.mark.slow
def test_table_json_and_images(evaluated, checkpoint, capsys, tmp_path):
    out, root, words = evaluated
    assert main(["eval", f"{RECIPE}_ss", *words]) == 0
    printed = capsys.readouterr().out

    # The same two images by the protocol at hand, and scores by counting.
    model = load(RECIPE, checkpoint)
    protocol = replace(RECIPES[RECIPE].protocol, resize=(512, 128), crop=128, stride=85)
    counts = np.zeros((150, 150), np.int64)
    for name in ("ADE_val_00000001", "ADE_val_00000002"):
        image = root / "images" / "validation" / f"{name}.jpg"
        result = model.predict(image, protocol=protocol)
        result.save(tmp_path, name)
        written = np.asarray(Image.open(tmp_path / f"{name}_labels.png")).astype(np.int64)
        mask = np.asarray(Image.open(root / "annotations" / "validation" / f"{name}.png"))
        assert written.shape == mask.shape
        assert written.min() >= 1  # the masks' own values
        counts += areas(written - 1, mask)

    hit, truth, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    union = truth + predicted - hit
    iou = np.where(union > 0, hit / np.maximum(union, 1), np.nan)
    accuracy = np.where(truth > 0, hit / np.maximum(truth, 1), np.nan)
    assert 0 < np.nanmean(iou) < 0.2
    assert (predicted > 0).sum() > 3

    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["images"] == 2
    assert metrics["confusion"] == counts.tolist()
    assert metrics["mIoU"] == pytest.approx(np.nanmean(iou), rel=1e-9)
    assert metrics["mAcc"] == pytest.approx(np.nanmean(accuracy), rel=1e-9)
    assert metrics["aAcc"] == pytest.approx(hit.sum() / truth.sum(), rel=1e-9)
    assert f"2 images: aAcc {100 * hit.sum() / truth.sum():.2f}  mIoU {100 * np.nanmean(iou):.2f}" in printed
    assert "wall" in printed

    assert Image.open(out / "confusion.png").size[0] > 200
    worst = sorted(path.name for path in (out / "worst").iterdir())
    assert [name[3:] for name in worst] == [f"{entry['name']}.png" for entry in metrics["worst"]]
    assert {entry["name"] for entry in metrics["worst"]} == {"ADE_val_00000001", "ADE_val_00000002"}
    scores = [entry["mIoU"] for entry in metrics["worst"]]
    assert scores == sorted(scores)
