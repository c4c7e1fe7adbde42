"""Our modules from a configuration of DINOv3's segmentation code; nothing in it may be left unread."""

from typing import Any

from vit_adapter.backbones import ViTAdapter
from vit_adapter.config import InferenceConfig, Mask2FormerConfig
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.segmenter import Segmenter

Config = dict[str, Any]

_VIT_DEFAULTS: Config = {
    "img_size": 224,
    "patch_size": 16,
    "in_chans": 3,
    "pos_embed_rope_base": 100,
    "ffn_ratio": 4,
    "qkv_bias": True,
    "layerscale_init": 1e-5,
    "ffn_layer": "mlp",
    "n_storage_tokens": 4,
    "untie_global_and_local_cls_norm": False,
}
_FIXED: Config = {
    "pos_embed_rope_normalize_coords": "separate",
    "pos_embed_rope_rescale_coords": 2,
    "pos_embed_rope_dtype": "fp32",
    "drop_path_rate": 0.0,
    "norm_layer": "layernormbf16",
    "ffn_bias": True,
    "proj_bias": True,
    "mask_k_bias": True,
}
"""What every DINOv3 has, whatever its size."""
_ADAPTER_DEFAULTS: Config = {
    "interaction_indexes": None,
    "conv_inplane": 64,
    "n_points": 4,
    "deform_num_heads": 16,
    "drop_path_rate": 0.3,
    "with_cffn": True,
    "cffn_ratio": 0.25,
    "deform_ratio": 0.5,
    "add_vit_feature": True,
    "use_extra_extractor": True,
    "with_cp": True,
}


def build_adapter(config: Config) -> ViTAdapter:
    """Our adapter for the official one's ViT and arguments.

    Raises:
        ValueError: An argument is not known here.
    """
    vit = {name: value for name, value in config["backbone"].items() if name not in _FIXED}
    for name, value in _FIXED.items():
        assert config["backbone"].get(name, value) == value, name
    vit = _VIT_DEFAULTS | vit
    adapter = _ADAPTER_DEFAULTS | config["adapter"]
    adapter.pop("pretrain_size", None)  # neither does anything
    adapter.pop("init_values", None)
    taken = adapter.pop("interaction_indexes")
    parts = (
        ("mask_token", "local_cls_norm") if vit.pop("untie_global_and_local_cls_norm") else ("mask_token",)
    )
    backbone = ViTAdapter(
        "vit_small_patch16_dinov3",
        options=_vit_options(vit),
        final_norm=True,
        frozen="vit",
        injectors=False,
        keep_patch_size=True,
        pretraining_parts=parts,
        drop_path_rate=adapter.pop("drop_path_rate"),
        grad_checkpointing=adapter.pop("with_cp"),
        interaction_indexes=None
        if taken is None
        else [(first + 1, last) for first, last in zip([-1, *taken], taken, strict=False)],
        conv_inplanes=adapter.pop("conv_inplane"),
        deform_points=adapter.pop("n_points"),
        deform_heads=adapter.pop("deform_num_heads"),
        deform_ratio=adapter.pop("deform_ratio"),
        cffn_ratio=adapter.pop("cffn_ratio") if adapter.pop("with_cffn") else None,
        add_vit_feature=adapter.pop("add_vit_feature"),
        extra_extractors=adapter.pop("use_extra_extractor"),
    )
    if vit or adapter.keys() - {"cffn_ratio"}:
        raise ValueError(f"arguments that are not known here: {vit} {adapter}")
    return backbone


def _vit_options(vit: Config) -> Config:
    """Arguments of timm's model, taken out of the official ones."""
    width, ratio, kind = vit["embed_dim"], vit.pop("ffn_ratio"), vit.pop("ffn_layer")
    options: Config = {
        "img_size": vit.pop("img_size"),
        "patch_size": vit.pop("patch_size"),
        "in_chans": vit.pop("in_chans"),
        "embed_dim": vit.pop("embed_dim"),
        "depth": vit.pop("depth"),
        "num_heads": vit.pop("num_heads"),
        "qkv_bias": vit.pop("qkv_bias"),
        "init_values": vit.pop("layerscale_init"),
        "num_reg_tokens": vit.pop("n_storage_tokens"),
        "rope_temperature": vit.pop("pos_embed_rope_base"),
        "mlp_ratio": float(ratio),
    }
    assert options.pop("in_chans") == 3
    if kind.startswith("swiglu"):
        hidden = int(int(width * ratio) * 2 / 3)
        options |= {"mlp_ratio": (hidden + 0.5) / width, "swiglu_mlp": True}
        options["swiglu_align_to"] = int(kind.removeprefix("swiglu") or 8)
    else:
        assert kind == "mlp", kind
    return options


def build_head(config: Config) -> Mask2FormerHead:
    """Our head for the official one's sizes."""
    config = {name: value for name, value in config.items() if name != "note"}
    sizes = Mask2FormerConfig(
        queries=config.pop("queries"),
        channels=config.pop("hidden"),
        heads=config.pop("heads"),
        encoder_layers=config.pop("enc"),
        decoder_layers=config.pop("dec"),
        encoder_feedforward=config.pop("ffn"),
        decoder_feedforward=config.pop("decoder_feed_forward"),
        matrix_init="uniform",
        float32_pixel_decoder=True,
    )
    head = Mask2FormerHead([config.pop("chans")] * 4, config.pop("classes"), sizes)
    if config:
        raise ValueError(f"arguments that are not known here: {config}")
    return head


def build_segmenter(config: Config) -> Segmenter:
    """Our model for an official adapter and head."""
    head = build_head(config["head"])
    return Segmenter(build_adapter(config), head, head.num_classes)


def protocol_of(settings: Config) -> InferenceConfig:
    """Our protocol for one call of the official inference."""
    if settings["inference_mode"] == "whole":
        return InferenceConfig(
            mode="whole", resize=(512, 512), resize_rule="stretch", multiple=None, resize_answers=True
        )
    (crop, _), (stride, _) = settings["crop_size"], settings["stride"]
    assert settings["crop_size"] == [crop, crop]
    assert settings["stride"] == [stride, stride]
    return InferenceConfig(
        multiple=None, crop=crop, stride=stride, small_windows="square", resize_answers=True
    )
