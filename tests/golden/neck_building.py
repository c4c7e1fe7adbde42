"""Our necks from an official configuration; nothing in it may be left unread."""

from typing import Any

from torch import nn

from vit_adapter.heads.detection.conv_block import BlockNorm
from vit_adapter.heads.detection.extra_attention import ExtraAttention
from vit_adapter.heads.detection.fpn import FPN, ChannelMapper

Config = dict[str, Any]


def build_neck(config: Config | list[Config]) -> nn.Module:
    """Our neck for an official one, or for several in a row.

    Raises:
        ValueError: The class, or one of its arguments, is not known here.
    """
    if isinstance(config, list):
        return nn.Sequential(*map(build_neck, config))
    config = dict(config)
    kind, inputs = config.pop("type"), config.pop("in_channels")
    if kind == "FPN":
        extra = config.pop("add_extra_convs", False)
        assert extra in (False, "on_output"), extra
        neck = FPN(
            inputs,
            config.pop("out_channels"),
            config.pop("num_outs"),
            first=config.pop("start_level", 0),
            extra_convolutions=bool(extra),
            norm=block_norm(config.pop("norm_cfg", None)),
        )
    elif kind == "ChannelMapperWithPooling":
        neck = ChannelMapper(inputs, config.pop("out_channels"), config.pop("num_outs"))
    elif kind == "ExtraAttention":
        ratio = config.pop("ffn_ratio", 4.0)
        neck = ExtraAttention(
            inputs[-1],
            config.pop("num_head"),
            feedforward_ratio=ratio if config.pop("with_ffn") else None,
            drop_path=config.pop("drop_path", 0.0),
            layer_scale=config.pop("init_values", None),
            final_norm=config.pop("use_final_norm", True),
            grad_checkpointing=config.pop("with_cp", False),
        )
    else:
        raise ValueError(f"no neck for the official class {kind}")
    if config:
        raise ValueError(f"arguments of {kind} that are not known here: {config}")
    return neck


def block_norm(config: Config | None) -> BlockNorm:
    """Our norm for an official ``norm_cfg``."""
    if config is None:
        return BlockNorm()
    if config["type"] == "GN":
        return BlockNorm("group", config["num_groups"])
    assert config["type"] in ("BN", "SyncBN", "MMSyncBN"), config
    return BlockNorm("batch")
