"""Which parameter gets which learning rate and weight decay (behaviours 84, 85 and 87).

The published rules refer to official names, so they are applied to those; which of our parameters has which
official name is said in ``weights.official``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.weights.official import official_name

# Freshly made parts of the Mask2Former head that the published rule counts to the patch embedding (behaviour 84).
_FIRST_LAYER_OF_HEAD = ("mask_embed", "cls_embed", "level_embed", "query_embed", "query_feat")
# What precedes the first block. The published rule knows the first five; the others are their like in
# ViTs that were not published with an adapter.
_FIRST_LAYER_OF_BACKBONE = (
    *("pos_embed", "cls_token", "mask_token", "patch_embed", "visual_embed"),
    *("reg_token", "register_tokens", "storage_tokens", "dist_token", "norm_pre"),
)
_BLOCK = re.compile(r"backbone\.(?:blocks|layers)\.(\d+)\.")
_UNDECAYED = ("level_embed", "pos_embed", "norm", "bias")
# Learned proposals: a quarter of the rate, and a decay of 0.0001 where it is 0.05 elsewhere.
_PROPOSALS, _PROPOSAL_RATE, _PROPOSAL_DECAY = "rpn_head.init_proposal", 0.25, 0.002


@dataclass(frozen=True)
class Setting:
    """What the optimiser does with one parameter: factor of the learning rate, and weight decay."""

    scale: float
    weight_decay: float


def count_layers(official_names: Iterable[str]) -> int:
    """Number of ViT blocks among official names."""
    return 1 + max((int(match[1]) for name in official_names if (match := _BLOCK.match(name))), default=-1)


def layer_of(official_name: str, layers: int, queries_first: bool = True) -> int:
    """Layer of a parameter: 0 before the first of ``layers`` blocks, ``layers + 1`` for all that follows them.

    Args:
        official_name: Of the parameter.
        layers: Number of ViT blocks.
        queries_first: The fresh parts of Mask2Former's head that the published rule counts to layer 0 are there.
    """
    room, _, rest = official_name.partition(".")
    if room == "backbone" and rest.partition(".")[0] in _FIRST_LAYER_OF_BACKBONE:
        return 0
    if queries_first and room == "decode_head" and rest.startswith(_FIRST_LAYER_OF_HEAD):
        return 0
    block = _BLOCK.match(official_name)
    return int(block[1]) + 1 if block else layers + 1


def layer_decay_setting(
    official_name: str,
    dimensions: int,
    weight_decay: float,
    layer_decay: float,
    layers: int,
    queries_first: bool = True,
) -> Setting:
    """By layer (behaviours 84 and 85): no decay of biases and one-dimensional parameters; position tables do decay."""
    bare = official_name in ("pos_embed", "cls_token", "visual_embed")  # the published list has no prefixes
    decays = dimensions != 1 and not official_name.endswith(".bias") and not bare
    scale = layer_decay ** (layers + 1 - layer_of(official_name, layers, queries_first))
    return Setting(scale, weight_decay if decays else 0.0)


def name_rule_setting(official_name: str, weight_decay: float, head_factor: float | None = None) -> Setting:
    """By name (behaviour 87; detection): the longest key found wins, of equally long ones the first in the alphabet.

    Args:
        official_name: The parameter.
        weight_decay: Of parameters without a rule.
        head_factor: Rate of those with "head" in their name; None: this is no key.
    """
    keys = [*_UNDECAYED, _PROPOSALS, *(() if head_factor is None else ("head",))]
    found = sorted((key for key in keys if key in official_name), key=lambda key: (-len(key), key))
    if not found:
        return Setting(1.0, weight_decay)
    if found[0] == _PROPOSALS:
        return Setting(_PROPOSAL_RATE, weight_decay * _PROPOSAL_DECAY)
    return Setting(head_factor or 1.0, weight_decay) if found[0] == "head" else Setting(1.0, 0.0)


def settings(shapes: dict[str, int], config: TrainingConfig) -> dict[str, Setting]:
    """Setting of every parameter (behaviour 164).

    Args:
        shapes: Number of dimensions by official name.
        config: ``parameter_rules`` "names", or a ``head_learning_rate_factor`` other than 1, select the rules by
            name, otherwise the rules by layer hold, with a ``layer_decay`` of 1 where none is given.

    Raises:
        InputError: Both are asked for.
    """
    decay = 1.0 if config.layer_decay is None else config.layer_decay
    factor = config.head_learning_rate_factor
    by_name = config.parameter_rules == "names"
    if factor == 1 and not by_name:
        layers = count_layers(shapes)
        return {
            name: layer_decay_setting(
                name, dimensions, config.weight_decay, decay, layers, config.query_layer_decay
            )
            for name, dimensions in shapes.items()
        }
    if decay != 1:
        other = "parameter_rules='names'" if by_name else f"head_learning_rate_factor={factor:g}"
        raise InputError(
            f"training.layer_decay={decay:g} and training.{other}: expected only one of them (the published rules "
            "never join them)"
        )
    head_factor = None if factor == 1 else factor
    return {name: name_rule_setting(name, config.weight_decay, head_factor) for name in shapes}


def rule_name(name: str) -> str:
    """The official name of a parameter of ours, to which the rules apply; parts that no published model has keep
    theirs."""
    try:
        return official_name(name)
    except InputError:
        return name


def parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Optimiser groups of all parameters that are trained; frozen ones are left out.

    Args:
        model: Its parameters' names are ours.
        config: Rates and rules.

    Returns:
        Groups with "params", "names" (ours, same order), "base_rate" (before the schedule), "lr" and
        "weight_decay"; one for every distinct setting, in the order of their first parameter.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trained:
        raise InputError("the model has no parameter to train: all are frozen")
    # Layers are counted over all blocks, frozen ones included: freezing a part must not move the others.
    shapes = {rule_name(name): parameter.ndim for name, parameter in model.named_parameters()}
    by_name = settings(shapes, config)
    groups: dict[Setting, dict[str, Any]] = {}
    for name, parameter in trained.items():
        setting = by_name[rule_name(name)]
        rate = config.learning_rate * setting.scale
        group = groups.setdefault(
            setting,
            {"params": [], "names": [], "base_rate": rate, "lr": rate, "weight_decay": setting.weight_decay},
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())
