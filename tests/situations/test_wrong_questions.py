"""Questions that a model cannot answer, told before the work."""

import numpy as np
import pytest
from PIL import Image

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter import Segmenter
from vit_adapter.api import predict
from vit_adapter.api.open_model import open_model
from vit_adapter.config import ClassTable, InputError

from .making import refusal

HEADING = "Questions for another model"
TITLES = {
    367: "Thresholds of objects for label maps",
    368: "A model of pixels and objects whose classes do not say which are things",
}

SMALL = tiny_model(head="mask2former", mask2former=SMALL_MASK2FORMER)


@pytest.mark.parametrize("option", [{"score_threshold": 0.3}, {"mask_threshold": 0.3}, {"min_area": 9}])
def test_s367_thresholds_of_objects_for_label_maps(tmp_path, option):
    """Thresholds of objects, which would change nothing about label maps, are refused for these, by `predict` and by a
    server."""
    model = Segmenter.from_config(SMALL, ClassTable.numbered(3))
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "photo.png")
    flag = f"--{next(iter(option)).replace('_', '-')}"
    with pytest.raises(InputError, match=f"^{flag}: is for objects and segments, not for the task semantic$"):
        predict(model, tmp_path / "photo.png", tmp_path / "out", quiet=True, **option)
    with pytest.raises(InputError, match=f"^{flag}: is for objects"):
        open_model(model).wish(**option)
    assert open_model(model).wish("instance", **option).task == "instance"


def test_s368_things_that_nobody_named(tmp_path, capfd):
    """`serve` and `app` offer such a model's other tasks and begin; `predict --task panoptic` is refused once, before
    any image is read."""
    model = Segmenter.from_config(SMALL, ClassTable.numbered(3))
    opened = open_model(model)
    assert opened.tasks == ("semantic", "instance")
    opened.try_out()
    model.save_pretrained(tmp_path / "model")
    for name in "ab":
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / f"{name}.png")
    line = refusal(
        capfd, "predict", tmp_path / "model", tmp_path, "--task", "panoptic", "--out", tmp_path / "out"
    )
    assert "which classes are things" in line
    assert not (tmp_path / "out").exists()
