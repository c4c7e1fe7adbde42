"""Checkpoint files: newest and previous, damaged ones (S48), state by name (S49)."""

import os

import pytest
import torch
from torch import nn

from vit_adapter.config import InputError
from vit_adapter.training.checkpoints import (
    LAST,
    PREVIOUS,
    VERSION,
    CheckpointFolder,
    optimizer_state,
    read_checkpoint,
    restore_optimizer,
)


def checkpoint(step):
    return {"version": VERSION, "step": step, "optimizer": {}, "weights": torch.full((1000,), float(step))}


def folder_with(path, *steps):
    files = CheckpointFolder(path)
    for step in steps:
        files.save(checkpoint(step))
    return files


def test_newest_and_previous_are_kept(tmp_path):
    folder_with(tmp_path, 1, 2, 3)
    assert sorted(os.listdir(tmp_path)) == [LAST, PREVIOUS]
    assert read_checkpoint(tmp_path / LAST)["step"] == 3
    assert read_checkpoint(tmp_path / PREVIOUS)["step"] == 2


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_a_truncated_file_is_named_and_the_previous_one_used(tmp_path):
    folder_with(tmp_path, 1, 2)
    cut(tmp_path / LAST)
    loaded, note = CheckpointFolder(tmp_path).load()
    assert loaded["step"] == 1
    assert note is not None
    assert LAST in note
    assert PREVIOUS in note
    assert "\n" not in note


def test_a_truncated_file_never_pushes_out_the_good_one(tmp_path):
    folder_with(tmp_path, 1, 2)
    cut(tmp_path / LAST)
    files = CheckpointFolder(tmp_path)
    files.load()
    files.save(checkpoint(2))
    assert read_checkpoint(tmp_path / PREVIOUS)["step"] == 1
    files.save(checkpoint(3))
    assert read_checkpoint(tmp_path / PREVIOUS)["step"] == 2


def test_a_kill_between_the_two_renames_leaves_one(tmp_path):
    folder_with(tmp_path, 1, 2)
    os.replace(tmp_path / LAST, tmp_path / PREVIOUS)
    assert CheckpointFolder(tmp_path).load()[0]["step"] == 2


def test_all_damaged_is_one_line(tmp_path):
    folder_with(tmp_path, 1, 2)
    cut(tmp_path / LAST)
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(InputError, match="no other checkpoint") as error:
        CheckpointFolder(tmp_path).load()
    assert "\n" not in str(error.value)


def test_none_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        CheckpointFolder(tmp_path).load()


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"version": 99, "step": 1, "optimizer": {}}])
def test_other_files_are_refused(tmp_path, content):
    torch.save(content, tmp_path / LAST)
    with pytest.raises(InputError, match="expected"):
        read_checkpoint(tmp_path / LAST)


def test_a_failed_write_keeps_what_was_there(tmp_path):
    files = folder_with(tmp_path, 1)

    class Unwritable:
        def __reduce__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="disk is full"):
        files.save(checkpoint(2) | {"more": Unwritable()})
    assert read_checkpoint(tmp_path / LAST)["step"] == 1
    assert os.listdir(tmp_path) == [LAST]


def test_moments_follow_their_names_when_the_order_changes():
    first, second = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
    old = torch.optim.AdamW([{"params": [first, second], "names": ["a", "b"]}])
    first.grad, second.grad = torch.full((3,), 1.0), torch.full((3,), 2.0)
    old.step()
    states = optimizer_state(old)
    new_a, new_b = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
    new = torch.optim.AdamW([{"params": [new_b], "names": ["b"]}, {"params": [new_a], "names": ["a"]}])
    restore_optimizer(new, states)
    assert torch.equal(new.state[new_a]["exp_avg"], old.state[first]["exp_avg"])
    assert torch.equal(new.state[new_b]["exp_avg"], old.state[second]["exp_avg"])
    assert not torch.equal(new.state[new_a]["exp_avg"], new.state[new_b]["exp_avg"])
