"""Tiny or unbalanced data: fewer images than a batch, splits of one and two, copies on both sides."""

from collections import Counter

import numpy as np
import pytest
import torch

from vit_adapter import InputError
from vit_adapter.config import DataConfig
from vit_adapter.data.dataset import open_dataset

from .making import halves, save_pairs
from .training_parts import (
    ConstantScores,
    Images,
    bars,
    noise,
    painted,
    rows,
    run,
    tiny_run,
    tiny_segmenter,
)


def test_s27_fewer_images_than_the_batch(tmp_path):
    """Every step is made: images of the next pass fill the batch, so each is used equally often."""
    source, model = Images(noise(4, 8), [bars(0, 1, side=8)] * 4, classes=2), ConstantScores([2.0, 0.0])
    run(model, source, tiny_run(tmp_path / "run", batch_size=8, steps=5))
    assert [row["step"] for row in rows(tmp_path / "run")] == ["1", "2", "3", "4", "5"]
    assert Counter(index for _, index in source.keys_read) == dict.fromkeys(range(4), 10)
    assert bool((model.bias != 0).any())


@pytest.mark.parametrize("batch", [8, 2])
@pytest.mark.slow
def test_s28_one_image_left_over_for_batch_norm(tmp_path, batch):
    """No batch is ever incomplete, so batch norm never meets a single image."""
    source = Images(noise(9, 32), [bars(0, 1, 2, side=32)] * 9)
    steps = -(-27 // batch)  # three passes
    config = tiny_run(tmp_path / "run", {"auxiliary": False}, batch_size=batch, steps=steps)
    run(tiny_segmenter(config), source, config)
    assert len(rows(tmp_path / "run")) == steps
    assert len(source.keys_read) == steps * batch
    assert {key for key in source.keys_read if key[0] < 3} == {(e, i) for e in range(3) for i in range(9)}


def test_s28_a_batch_of_one(tmp_path):
    """A batch of one image is refused at the start for batch norm, naming the remedies, and works with group norm."""
    source = Images(noise(3, 32), [bars(0, 1, 2, side=32)] * 3)
    config = tiny_run(tmp_path / "batch", batch_size=1)
    with pytest.raises(InputError, match=r"training\.batch_size=1: batch norm .*--model\.norm group"):
        run(tiny_segmenter(config), source, config)
    assert not (tmp_path / "batch").exists()
    config = tiny_run(tmp_path / "group", {"norm": "group"}, batch_size=1)
    run(tiny_segmenter(config), source, config)
    assert len(rows(tmp_path / "group")) == 3


def names(root) -> dict[str, set[str]]:
    return {part: set(open_dataset(DataConfig(root=str(root)), part).names) for part in ("train", "val")}


def test_s29_splits_of_one_and_two_images(tmp_path):
    """One pair cannot be split and is refused, two become one and one; a file that is added moves no other one."""
    one = save_pairs(tmp_path / "one", {"a": halves(0, 1)})
    with pytest.raises(InputError, match="1 image with mask cannot be split into training and validation"):
        open_dataset(DataConfig(root=str(one)), "train")
    two = names(save_pairs(tmp_path / "two", {"a": halves(0, 1), "b": halves(0, 1)}))
    assert sorted(map(len, two.values())) == [1, 1]
    assert two["train"] | two["val"] == {"a", "b"}
    ten = save_pairs(tmp_path / "ten", {f"photo {i}": halves(0, 1) for i in range(10)})
    before = names(ten)
    assert before["val"] == {"photo 9"}  # the same on every machine
    save_pairs(ten, {"one more": halves(0, 1)})
    after = names(ten)
    assert all(before[part] <= after[part] for part in before)


def test_s29_copies_on_both_sides(tmp_path, capsys):
    """`data check` and training name every image that is, byte by byte, on both sides of the split."""
    from vit_adapter.api import check_data

    root = save_pairs(tmp_path / "ten", {f"photo {i}": halves(0, 1) for i in range(5)})
    for number in range(5):
        for kind in ("images", "masks"):
            stored = (root / kind / f"photo {number}.png").read_bytes()
            (root / kind / f"copy {number}.png").write_bytes(stored)
    sides = names(root)
    crossing = [
        number
        for number in range(5)
        if (f"photo {number}" in sides["train"]) != (f"copy {number}" in sides["train"])
    ]
    assert crossing  # the situation
    check_data(DataConfig(root=str(root)))
    told = capsys.readouterr().out
    for number in range(5):
        line = [text for text in told.splitlines() if f"photo {number}" in text and f"copy {number}" in text]
        assert bool(line) == (number in crossing), told


def test_s30_validation_interval_longer_than_the_data(tmp_path):
    """Validation follows steps, not passes: every so many steps, and at the end of the run."""
    images = [painted(bars(0, 1, side=8))] * 10
    data = Images(images, [bars(0, 1, side=8)] * 10, classes=2)
    config = tiny_run(tmp_path / "run", batch_size=1, steps=40, validate_every=16)
    run(ConstantScores([0.0, 0.0]), data, config, data)
    table = rows(tmp_path / "run")
    assert [(row["step"], row["mIoU"]) for row in table if row["mIoU"]] == [
        ("16", "1.0"),
        ("32", "1.0"),
        ("40", "1.0"),
    ]
    assert len(table) == 40
    assert np.isfinite([float(row["loss"]) for row in table]).all()
    assert torch.isfinite(torch.tensor(float(table[-1]["gradient_norm"])))
