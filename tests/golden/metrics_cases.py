"""Records of ``metrics/``: areas and scores of the official evaluation."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import safe_open

from vit_adapter.metrics import ConfusionMatrix, Scores

# name in the record -> our per-class array
_PER_CLASS = {
    "IoU": "iou",
    "Acc": "accuracy",
    "Dice": "dice",
    "Fscore": "f1",
    "Precision": "precision",
    "Recall": "recall",
}


def run_semantic_metrics(path: Path) -> None:
    """Areas by image and in total, scores by class with NaN kept or replaced, the printed summary."""
    with safe_open(path, "np") as file:
        spec = json.loads(file.metadata()["spec"])
        record = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    compared = set()

    def compare(key: str, ours: object, exact: bool = False) -> None:
        tolerance = {"rtol": 0, "atol": 0} if exact else spec["tolerance"]["output"]
        theirs = record["output/" + key]
        np.testing.assert_allclose(
            np.broadcast_to(np.asarray(ours), theirs.shape), theirs, equal_nan=True, err_msg=key, **tolerance
        )
        compared.add("output/" + key)

    def compare_areas(prefix: str, matrix: ConfusionMatrix) -> None:
        compare(f"{prefix}.intersect", matrix.intersection, exact=True)
        compare(f"{prefix}.label", matrix.label_area, exact=True)
        compare(f"{prefix}.pred", matrix.prediction_area, exact=True)
        compare(f"{prefix}.union", matrix.union, exact=True)

    def compare_scores(prefix: str, scores: Scores, nan: float = np.nan) -> None:
        compare(f"{prefix}.aAcc", scores.aAcc)
        for theirs, ours in _PER_CLASS.items():
            compare(f"{prefix}.{theirs}", np.nan_to_num(getattr(scores, ours), nan=nan))

    total = ConfusionMatrix(spec["num_classes"], spec["ignore_index"])
    images = sum(key.startswith("input/label.") for key in record)
    assert images > 0
    for index in range(images):
        labels = record[f"input/label.{index}"]
        if spec["reduce_zero_label"]:
            labels = np.where((labels == 0) | (labels == 255), 255, labels.astype(np.int64) - 1)
        image = ConfusionMatrix(spec["num_classes"], spec["ignore_index"])
        image.update(labels, record[f"input/pred.{index}"])
        compare_areas(f"image{index}", image)
        total.merge(image)

    compare_areas("total", total)
    scores = total.scores()
    compare_scores("per_image_path", scores)
    compare_scores("total_path", scores)
    compare_scores("per_image_path_nan_minus1", scores, nan=-1.0)

    for name, percent in spec["summary_percent_rounded_2"].items():
        ours = getattr(scores, "mF1" if name == "mFscore" else name) * 100
        assert abs(ours - percent) <= 0.01, f"{name}: {ours} against {percent}"
    missed = {key for key in record if key.startswith("output/")} - compared
    assert not missed, f"outputs not compared: {sorted(missed)}"


RUNNERS: dict[str, Callable[[Path], None]] = {
    "": run_semantic_metrics,
}
