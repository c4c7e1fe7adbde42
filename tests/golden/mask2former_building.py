"""Our Mask2Former parts from an official configuration; nothing in it may be left unread."""

from typing import Any

from vit_adapter.config import Mask2FormerConfig
from vit_adapter.heads.mask2former import CostWeights, LossSettings, Mask2FormerHead
from vit_adapter.heads.mask2former.pixel_decoder import PixelDecoder

Config = dict[str, Any]


def build_pixel_decoder(config: Config) -> PixelDecoder:
    """Our pixel decoder for the official one's arguments."""
    layer = config["encoder"]["transformerlayers"]
    attention = layer["attn_cfgs"]
    width = config["feat_channels"]
    assert layer["operation_order"] == ["self_attn", "norm", "ffn", "norm"]
    assert (attention["embed_dims"], attention["num_levels"], attention["dropout"]) == (width, 3, 0.0)
    _check_position_code(config["positional_encoding"], width)
    return PixelDecoder(
        config["in_channels"],
        width,
        config["out_channels"],
        config["encoder"]["num_layers"],
        attention["num_heads"],
        feedforward_width(layer),
        points=attention["num_points"],
        groups=config["norm_cfg"]["num_groups"],
        grad_checkpointing=bool(layer["ffn_cfgs"].get("with_cp")),
    )


def build_mask2former(config: Config, train_cfg: Config | None = None) -> Mask2FormerHead:
    """Our head for the official one's arguments.

    Args:
        config: Of the head.
        train_cfg: Where the configuration of the segmentor has it outside the head.
    """
    if train_cfg:
        config = config | {"train_cfg": train_cfg}
    pixel, decoder = config["pixel_decoder"], config["transformer_decoder"]
    encoder_layer, layer = pixel["encoder"]["transformerlayers"], decoder["transformerlayers"]
    attention, width = layer["attn_cfgs"], config["feat_channels"]
    assert encoder_layer["attn_cfgs"]["num_heads"] == attention["num_heads"]
    assert layer["operation_order"] == ["cross_attn", "norm", "self_attn", "norm", "ffn", "norm"]
    assert {part["embed_dims"] for part in (attention, layer["ffn_cfgs"])} == {width}
    for code in (config["positional_encoding"], pixel["positional_encoding"]):
        _check_position_code(code, width)
    sizes = Mask2FormerConfig(
        queries=config["num_queries"],
        channels=width,
        heads=attention["num_heads"],
        encoder_layers=pixel["encoder"]["num_layers"],
        decoder_layers=decoder["num_layers"],
        encoder_feedforward=feedforward_width(encoder_layer),
        decoder_feedforward=feedforward_width(layer),
        grad_checkpointing=bool(layer["ffn_cfgs"].get("with_cp") or encoder_layer["ffn_cfgs"].get("with_cp")),
    )
    return Mask2FormerHead(
        config["in_channels"],
        config["num_things_classes"] + config["num_stuff_classes"],
        sizes,
        mask_channels=config["out_channels"],
        points=encoder_layer["attn_cfgs"]["num_points"],
        groups=pixel["norm_cfg"]["num_groups"],
        project_inputs=config["enforce_decoder_input_project"],
        loss_settings=loss_settings(config) if "train_cfg" in config else None,
    )


def feedforward_width(layer: Config) -> int:
    """Hidden width of a layer: its own setting wins over that of its feed-forward part (behaviour 50)."""
    return layer.get("feedforward_channels") or layer["ffn_cfgs"]["feedforward_channels"]


def loss_settings(config: Config) -> LossSettings:
    """Our settings for the losses and the training part of an official head."""
    classes, mask, dice = (config[f"loss_{name}"] for name in ("cls", "mask", "dice"))
    *weights, no_object = classes["class_weight"]
    assert (dice["naive_dice"], dice["eps"]) == (True, 1.0)
    training = config["train_cfg"]
    return LossSettings(
        cost_weights(training["assigner"]),
        classes["loss_weight"],
        mask["loss_weight"],
        dice["loss_weight"],
        no_object,
        None if set(weights) == {1.0} else tuple(weights),
        training["num_points"],
        training["oversample_ratio"],
        training["importance_sample_ratio"],
    )


def cost_weights(assigner: Config) -> CostWeights:
    """Our weights for an official assigner."""
    assert (assigner["dice_cost"]["pred_act"], assigner["dice_cost"]["eps"]) == (True, 1.0)
    return CostWeights(*(assigner[f"{name}_cost"]["weight"] for name in ("cls", "mask", "dice")))


def _check_position_code(code: Config, width: int) -> None:
    known = {"type", "num_feats", "normalize"}
    assert set(code) == known
    assert (code["num_feats"], code["normalize"]) == (width // 2, True)
