"""Rates and decay of parameters under our names (the published records are in tests/golden)."""

import pytest
import torch
from torch import nn

from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.training.parameter_groups import count_layers, layer_of, parameter_groups


class Named(nn.Module):
    """A module with parameters of given names and shapes."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            parent: nn.Module = self
            *path, leaf = name.split(".")
            for part in path:
                if not hasattr(parent, part):
                    parent.add_module(part, nn.Module())
                parent = getattr(parent, part)
            parent.register_parameter(leaf, nn.Parameter(torch.zeros(shape)))


SHAPES = {
    "backbone.vit.pos_embed": (1, 5, 4),
    "backbone.vit.cls_token": (1, 1, 4),
    "backbone.vit.reg_token": (1, 4, 4),
    "backbone.vit.patch_embed.proj.weight": (4, 3, 2, 2),
    "backbone.vit.blocks.0.attn.qkv.weight": (12, 4),
    "backbone.vit.blocks.1.attn.qkv.bias": (12,),
    "backbone.level_embedding": (3, 4),
    "backbone.spatial_prior.stem.0.weight": (4, 3, 3, 3),
    "head.classifier.weight": (2, 4, 1, 1),
}


def by_name(groups):
    return {name: group for group in groups for name in group["names"]}


def test_layers_of_our_names():
    groups = by_name(parameter_groups(Named(SHAPES), TrainingConfig(learning_rate=1, layer_decay=0.5)))
    rates = {name: group["base_rate"] for name, group in groups.items()}
    assert rates == {
        "backbone.vit.pos_embed": 0.125,
        "backbone.vit.cls_token": 0.125,
        "backbone.vit.reg_token": 0.125,
        "backbone.vit.patch_embed.proj.weight": 0.125,
        "backbone.vit.blocks.0.attn.qkv.weight": 0.25,
        "backbone.vit.blocks.1.attn.qkv.bias": 0.5,
        "backbone.level_embedding": 1,
        "backbone.spatial_prior.stem.0.weight": 1,
        "head.classifier.weight": 1,
    }


def test_groups_hold_each_trained_parameter_once_beside_its_name():
    model = Named(SHAPES)
    groups = parameter_groups(model, TrainingConfig(layer_decay=0.9))
    parameters = dict(model.named_parameters())
    pairs = [pair for group in groups for pair in zip(group["names"], group["params"], strict=True)]
    assert sorted(name for name, _ in pairs) == sorted(parameters)
    assert all(parameters[name] is parameter for name, parameter in pairs)


def test_frozen_parameters_are_left_out_and_move_no_layer():
    model = Named(SHAPES)
    model.get_parameter("backbone.vit.blocks.1.attn.qkv.bias").requires_grad_(False)
    groups = by_name(parameter_groups(model, TrainingConfig(learning_rate=1, layer_decay=0.5)))
    assert "backbone.vit.blocks.1.attn.qkv.bias" not in groups
    assert groups["backbone.vit.blocks.0.attn.qkv.weight"]["base_rate"] == 0.25


def test_all_frozen_is_an_error():
    model = Named(SHAPES).requires_grad_(False)
    with pytest.raises(InputError, match="all are frozen"):
        parameter_groups(model, TrainingConfig())


def test_layers_of_uniperceiver_and_mask2former_names():
    assert layer_of("backbone.layers.3.linear1.weight", 24) == 4
    assert layer_of("backbone.visual_embed.patch_embed.proj.weight", 24) == 0
    assert layer_of("decode_head.query_feat.weight", 24) == 0
    assert layer_of("decode_head.pixel_decoder.level_encoding.weight", 24) == 25
    assert count_layers(["backbone.layers.11.x", "backbone.layers.2.x", "decode_head.layers.40.x"]) == 12


@pytest.mark.parametrize(
    "settings", [{"layer_decay": 1.5}, {"layer_decay": 0.0}, {"head_learning_rate_factor": 0.0}]
)
def test_rates_outside_their_range_are_refused(settings):
    with pytest.raises(InputError):
        parameter_groups(Named(SHAPES), TrainingConfig(**settings))


def test_rules_by_name_spare_norms_and_slow_learned_proposals():
    shapes = {
        "backbone.level_embedding": (3, 4),
        "backbone.vit.blocks.0.norm1.weight": (4,),
        "backbone.vit.blocks.0.ls1.gamma": (4,),
        "head.dense.class_tower.0.norm.weight": (4,),
        "head.proposals.boxes": (2, 4),
    }
    config = TrainingConfig(learning_rate=1, weight_decay=0.5, parameter_rules="names")
    groups = by_name(parameter_groups(Named(shapes), config))
    found = {name: (group["base_rate"], group["weight_decay"]) for name, group in groups.items()}
    # The official name of a dense head's norm is "gn", which holds none of the keys, and that of a scale is "gamma1".
    assert found == {
        "backbone.level_embedding": (1, 0),
        "backbone.vit.blocks.0.norm1.weight": (1, 0),
        "backbone.vit.blocks.0.ls1.gamma": (1, 0.5),
        "head.dense.class_tower.0.norm.weight": (1, 0.5),
        "head.proposals.boxes": (0.25, 0.001),
    }


def test_rules_by_name_and_by_layer_are_not_joined():
    config = TrainingConfig(layer_decay=0.9, parameter_rules="names")
    with pytest.raises(InputError, match=r"layer_decay=0\.9.*parameter_rules='names'"):
        parameter_groups(Named(SHAPES), config)
