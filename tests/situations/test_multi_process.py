"""Two processes: the same numbers as one with the joint batch, and decisions that both take together."""

import json

import pytest
import torch
from children import pair

from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.metrics_table import read_table

from .programs import (
    Noting,
    train_and_note,
    train_in_a_new_folder,
    train_masks_alone,
    train_until_trouble,
    train_with_a_void_image,
    train_with_half_known,
)
from .training_parts import assert_gradients_agree, first_gradients, rows


def run_together(function, arguments, folder, codes=(0, 0)) -> list[str]:
    """What two processes print, which are to end with these exit codes and not to wait for ever."""
    children = pair(function, arguments, folder)
    assert tuple(child.wait(240) for child in children) == codes, children[0].text + children[1].text
    return [child.text for child in children]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "model"),
    [
        ("upernet", {}),
        ("upernet", {"frozen": "vit", "auxiliary": False}),
        ("mask2former", {}),
    ],
    ids=["upernet", "frozen without auxiliary head", "mask2former"],
)
def test_s51_one_process_without_anything_to_learn_from(tmp_path, head, model):
    """An image without labelled pixels adds nothing; both processes go on with the weights of the joint batch."""
    arguments = {"head": head, "model": model}
    run_together(train_with_a_void_image, {"out": str(tmp_path / "two"), **arguments}, tmp_path)
    weights = [torch.load(tmp_path / f"two weights {rank}.pt") for rank in (0, 1)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert all(value.isfinite().all() for value in weights[0].values())
    assert len(rows(tmp_path / "two")) == 3
    if head == "upernet":
        train_with_a_void_image(str(tmp_path / "one"), **arguments, batch_size=2)
        for two, one in zip(rows(tmp_path / "two"), rows(tmp_path / "one"), strict=True):
            for column in ("loss", "gradient_norm"):
                assert float(two[column]) == pytest.approx(float(one[column]), rel=1e-4)


@pytest.mark.slow
def test_s52_decisions_taken_per_process(tmp_path):
    """Early stopping and the best model follow the joint score, so all processes stop at the same step."""
    told = run_together(train_with_half_known, {"out": str(tmp_path / "run")}, tmp_path)
    first, second = (json.loads((tmp_path / f"run result {rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first[0] < 40
    scores = {int(row["step"]): float(row["mIoU"]) for row in rows(tmp_path / "run") if row["mIoU"]}
    assert first[1] == max(scores.values()) < 0.7  # process 0 alone would reach 1
    assert json.loads((tmp_path / "run" / "best" / "score.json").read_text()) == {
        "step": first[2],
        "mIoU": scores[first[2]],
    }
    assert told[0].count("stopped early") == 1
    assert told[1] == ""


@pytest.mark.parametrize(
    ("trouble", "message"), [("loss", "not finite; images"), ("file", "masks/7.png: value 77")]
)
@pytest.mark.slow
def test_s52_trouble_of_one_process(tmp_path, trouble, message):
    """What one process cannot go on with ends all of them with exit code 2, and the line comes once."""
    arguments = {"out": str(tmp_path / "run"), "trouble": trouble}
    told = run_together(train_until_trouble, arguments, tmp_path, codes=(2, 2))
    assert told[0].count(message) == 1, told[0]
    assert "Traceback" not in told[0]
    assert told[1] == ""
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] % 2 == 0


@pytest.mark.slow
def test_s53_object_counts_over_processes(tmp_path):
    """Mask and Dice loss of Mask2Former are divided by the masks of all processes; its class loss is each process's
    own, as published."""
    run_together(train_masks_alone, {"out": str(tmp_path / "two"), "batch_size": 1}, tmp_path)
    train_masks_alone(str(tmp_path / "one"), batch_size=2)
    assert_gradients_agree(first_gradients(tmp_path / "one"), first_gradients(tmp_path / "two"))
    one, two = rows(tmp_path / "one")[0], rows(tmp_path / "two")[0]
    for column in ("loss_mask", "loss_dice", "d0.loss_mask"):
        assert float(two[column]) == pytest.approx(float(one[column]), rel=1e-5)


@pytest.mark.slow
def test_s54_same_random_numbers_on_every_process(tmp_path):
    """Augmentation depends on seed, pass and image, not on the number of processes; drop masks differ in each."""
    run_together(train_and_note, {"out": str(tmp_path / "two")}, tmp_path)
    train_and_note(str(tmp_path / "one"), batch_size=4)
    two = [json.loads((tmp_path / f"two noted {rank}.json").read_text()) for rank in (0, 1)]
    one = json.loads((tmp_path / "one noted 0.json").read_text())
    joint = [[*first, *second] for first, second in zip(two[0]["seen"], two[1]["seen"], strict=True)]
    assert joint == one["seen"]
    weights, *masks = two[0]["noted"]
    other_weights, *other_masks = two[1]["noted"]
    torch.manual_seed(0)
    expected = Noting().backbone.weight.detach().flatten()[:20].tolist()
    assert weights == other_weights == expected
    assert len(masks) == len(other_masks) == 4
    assert all(mine != others for mine, others in zip(masks, other_masks, strict=True))
    assert len({tuple(mask) for mask in masks}) > 1


@pytest.mark.slow
def test_s55_one_run_one_folder(tmp_path):
    """The first process chooses the folder for all; every line and every row comes once."""
    told = run_together(train_in_a_new_folder, {"folder": str(tmp_path)}, tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert {"config.yaml", "last.ckpt", "metrics.csv", "best"} <= {path.name for path in folder.iterdir()}
    assert [row["step"] for row in read_table(folder / "metrics.csv")[1]] == ["1", "2"]
    assert told[0].count("step 2/2") == 1
    assert "4 = 2 cpu x 2 x 1 accumulated" in told[0]
    assert told[1] == ""
