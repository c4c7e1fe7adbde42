"""Our modules from a case's official configuration."""

from typing import Any

from torch import nn

from vit_adapter.backbones import BeitPyramid, BlockPyramid, ViTAdapter
from vit_adapter.heads import FCNHead, UPerHead
from vit_adapter.segmenter import Segmenter

Config = dict[str, Any]

# Official constructor defaults, where a configuration leaves something out.
_ADAPTER_DEFAULTS: Config = {
    "conv_inplane": 64,
    "n_points": 4,
    "deform_num_heads": 6,
    "deform_ratio": 1.0,
    "init_values": 0.0,
    "interaction_indexes": None,
    "with_cffn": True,
    "cffn_ratio": 0.25,
    "add_vit_feature": True,
    "use_extra_extractor": True,
}
_VIT_DEFAULTS: Config = {
    "img_size": 224,
    "patch_size": 16,
    "embed_dim": 768,
    "depth": 12,
    "num_heads": 12,
    "mlp_ratio": 4,
    "drop_path_rate": 0.0,
}
_ADAPTER_ONLY = {*_ADAPTER_DEFAULTS, "with_cp", "type"}


def build_backbone(config: Config, official: str, *, detection: bool = False) -> nn.Module:
    """Our backbone for an official class and its constructor arguments.

    Args:
        config: The arguments.
        official: Name of the class.
        detection: The class of that name in the official detection code, where it does other things.

    Raises:
        ValueError: The class, or one of its arguments, is not known here; ignoring it would be a silent error.
    """
    config = {name: value for name, value in config.items() if name != "type"}
    if official == "BEiTBaseline":
        return _build_baseline(config)
    if official == "ViTBaseline":
        return _build_block_pyramid(config)
    adapter = _ADAPTER_DEFAULTS | {name: config.pop(name) for name in _ADAPTER_ONLY if name in config}
    vit = _VIT_DEFAULTS | config
    options: Config = {}
    if official == "ViTAdapter":
        name, form = "vit_base_patch16_224", _plain(vit)
        options["no_layer_scale"] = not vit.pop("layer_scale", True)
    elif official == "BEiTAdapter":
        name, form = "beit_base_patch16_224", _beit(vit, adapter["init_values"])
        options["layer_scale"] = adapter["init_values"]
        if detection:
            # Without class token; the tables are there even where they are switched off.
            form["use_rel_pos_bias"], options["prefix_tokens"] = True, False
            vit.pop("pretrain_size", None)
    elif official == "UniPerceiverAdapter":
        vit.pop("pretrain_size", None)  # it is not used (behaviour 7)
        name, form = "uniperceiver_large", _shared(vit)
    else:
        raise ValueError(f"no backbone for the official class {official}")
    if detection and official == "BEiTAdapter":
        # A block that is not windowed has a table for its size all the same, and takes no other map: one window.
        vit["window_attn"] = True
        if vit.pop("version", "new") == "old":
            detection = False  # adds the maps of all stages
    if detection:
        options["vit_feature"] = "last"
    windows = _windows(vit)
    del vit["depth"]
    drop_path = vit.pop("drop_path_rate")
    if vit:
        raise ValueError(f"arguments of {official} that are not known here: {vit}")
    return ViTAdapter(
        name,
        options=form,
        interaction_indexes=adapter["interaction_indexes"],
        deform_heads=adapter["deform_num_heads"],
        deform_ratio=adapter["deform_ratio"],
        deform_points=adapter["n_points"],
        cffn_ratio=adapter["cffn_ratio"] if adapter["with_cffn"] else None,
        conv_inplanes=adapter["conv_inplane"],
        injector_init=adapter["init_values"],
        window_sizes=windows,
        add_vit_feature=adapter["add_vit_feature"],
        extra_extractors=adapter["use_extra_extractor"],
        drop_path_rate=drop_path,
        grad_checkpointing=bool(adapter.get("with_cp")),
        **options,
    )


def build_head(config: Config) -> UPerHead | FCNHead:
    """Our head for an official head configuration.

    Raises:
        ValueError: The head, or one of its arguments, is not known here.
    """
    config = dict(config)
    kind, _ = config.pop("type"), config.pop("loss_decode", None)
    norm = config.pop("norm_cfg")["type"]
    if norm not in ("SyncBN", "BN"):
        raise ValueError(f"a head with norm {norm}")
    shared: Config = {"dropout": config.pop("dropout_ratio")}
    index, align_corners = config.pop("in_index"), config.pop("align_corners")
    if kind == "UPerHead":
        assert list(index) == [0, 1, 2, 3]
        shared |= {"pool_scales": config.pop("pool_scales", (1, 2, 3, 6)), "align_corners": align_corners}
        head = UPerHead(
            config.pop("in_channels"), config.pop("channels"), config.pop("num_classes"), **shared
        )
    elif kind == "FCNHead":
        shared |= {
            "level": index,
            "num_convs": config.pop("num_convs", 2),
            "concat_input": config.pop("concat_input", True),
        }
        head = FCNHead(config.pop("in_channels"), config.pop("channels"), config.pop("num_classes"), **shared)
    else:
        raise ValueError(f"no head for the official class {kind}")
    if config:
        raise ValueError(f"arguments of {kind} that are not known here: {config}")
    return head


def build_segmenter(config: Config) -> Segmenter:
    """Our model for an official one."""
    head, auxiliary = config["decode_head"], config.get("auxiliary_head")
    model = Segmenter(
        build_backbone(config["backbone"], config["backbone"]["type"]), build_head(head), head["num_classes"]
    )
    assert head["loss_decode"]["loss_weight"] == 1.0
    if auxiliary is not None:
        model.auxiliary_head = build_head(auxiliary)
        model.auxiliary_weight = auxiliary["loss_decode"]["loss_weight"]
    return model


def _shared(vit: Config) -> Config:
    """Settings of our ViT that every family has, taken out of the official ones."""
    side = vit.pop("img_size")
    names = ("patch_size", "embed_dim", "num_heads", "mlp_ratio")
    return {
        "img_size": tuple(side) if isinstance(side, list) else side,
        "depth": vit["depth"],
        **{name: vit.pop(name) for name in names},
    }


def _plain(vit: Config) -> Config:
    assert vit["img_size"] == vit.pop("pretrain_size", 224), (
        "one sizes the table, the other reads it (behaviour 6)"
    )
    return {**_shared(vit), "qkv_bias": vit.pop("qkv_bias", True)}


def _beit(vit: Config, init_values: float | None) -> Config:
    return {
        **_shared(vit),
        "init_values": init_values,
        "qkv_bias": vit.pop("qkv_bias", False),
        "use_abs_pos_emb": vit.pop("use_abs_pos_emb", True),
        "use_rel_pos_bias": vit.pop("use_rel_pos_bias", False),
        "use_shared_rel_pos_bias": vit.pop("use_shared_rel_pos_bias", False),
    }


def _build_baseline(config: Config) -> BeitPyramid:
    vit = _VIT_DEFAULTS | config
    scale = vit.pop("init_values", None)
    form = _beit(vit, scale)
    indices, drop_path = tuple(vit.pop("out_indices", (3, 5, 7, 11))), vit.pop("drop_path_rate")
    vit.pop("depth")
    if vit:
        raise ValueError(f"arguments of BEiTBaseline that are not known here: {vit}")
    return BeitPyramid(
        "beit_base_patch16_224",
        options=form,
        out_indices=indices,
        layer_scale=scale,
        no_layer_scale=scale is None,
        drop_path_rate=drop_path,
    )


def _build_block_pyramid(config: Config) -> BlockPyramid:
    vit = _VIT_DEFAULTS | config
    form = _plain(vit)
    no_scale = not vit.pop("layer_scale", True)
    out, residual = vit.pop("out_indices", [2, 5, 8, 11]), vit.pop("residual_indices", [])
    windows, drop_path = _windows(vit), vit.pop("drop_path_rate")
    for name in ("depth", "with_cp", "pretrained"):
        vit.pop(name, None)
    if vit:
        raise ValueError(f"arguments of ViTBaseline that are not known here: {vit}")
    return BlockPyramid(
        "vit_base_patch16_224",
        options=form,
        out_indices=tuple(out),
        residual_indices=tuple(residual),
        window_sizes=windows,
        no_layer_scale=no_scale,
        drop_path_rate=drop_path,
    )


def _windows(vit: Config) -> list[int | None] | None:
    """Side of the window of each block; scalars hold for all blocks (behaviour 13)."""
    depth = vit["depth"]
    used, sizes = vit.pop("window_attn", False), vit.pop("window_size", 14)
    used = used if isinstance(used, list) else [used] * depth
    sizes = sizes if isinstance(sizes, list) else [sizes] * depth
    windows = [size if flag else None for flag, size in zip(used, sizes, strict=True)]
    return windows if any(used) else None
