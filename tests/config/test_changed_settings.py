"""Settings of a run changed in Python, by the names that flags and files have."""

import pytest

from vit_adapter import InputError, Mask2FormerConfig, RunConfig, get_recipe


def test_what_is_not_named_stays():
    base = get_recipe("own_data").config()
    config = base.changed(
        data={"root": "photos"}, training={"steps": 3, "betas": [0.8, 0.9]}, model={"vit": {"frozen": "vit"}}
    )
    assert (config.data.root, config.training.steps, config.training.betas) == ("photos", 3, (0.8, 0.9))
    assert config.model.vit.frozen == "vit"
    assert config.model.vit.name == base.model.vit.name
    assert config.training.layer_decay == base.training.layer_decay
    assert base.data.root != "photos"


@pytest.mark.parametrize("head", ["mask2former", {"kind": "mask2former"}, Mask2FormerConfig()])
def test_a_head_of_another_kind(head):
    assert RunConfig().changed(model={"head": head}).model.head == Mask2FormerConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainin": {}}, r"settings\.trainin: there is no such setting; did you mean training\?"),
        ({"training": {"step": 3}}, r"training\.step: there is no such setting; did you mean steps\?"),
        ({"training": {"steps": 0}}, "training.steps is 0: expected at least 1"),
        ({"training": 3}, "settings.training: TrainingConfig is 3"),
        ({"model": {"head": "mask3former"}}, "model.head: kind is 'mask3former', expected one of 'upernet'"),
        ({"model": {"head": {"queries": 3}}}, "model.head.queries: there is no such setting"),
        ({"model": {"head": 3}}, "model.head is 3: expected one of upernet, fcn"),
        ({"task": "boxes"}, "task 'boxes': expected 'semantic', 'instance', 'panoptic', 'detection' or none"),
    ],
)
def test_mistakes_are_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        RunConfig().changed(**changes)
