"""Every recipe field by field against what the official configurations say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import timm

from vit_adapter.config import InputError
from vit_adapter.config.data import LayoutName
from vit_adapter.zoo import DATASETS, PRETRAINED, find_recipe, get_recipe, list_recipes
from vit_adapter.zoo.recipes import RECIPES, all_recipes

ROOTS = [Path(__file__).parents[1] / "golden" / "data"]
ROOTS += [Path(part) for part in os.environ.get("VIT_ADAPTER_GOLDEN", "").split(os.pathsep) if part]


def _json(*parts: str) -> dict:
    for root in ROOTS:
        if root.joinpath(*parts).is_file():
            return json.loads(root.joinpath(*parts).read_text())
    pytest.skip(f"{'/'.join(parts)}: neither in tests/golden/data nor in VIT_ADAPTER_GOLDEN")


@pytest.fixture(scope="module")
def official() -> dict:
    return _json("manifests", "recipes.json")


def test_all_recipes_are_there(official):
    assert sorted(RECIPES) == sorted(official)
    assert len(RECIPES) == 27
    assert set(list_recipes()) > set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_published_figures(official, name):
    recipe, theirs = RECIPES[name], official[name]
    assert recipe.name == theirs["recipe"] == name
    assert recipe.method == theirs["method"]
    assert recipe.parameters == theirs["exact_params"]
    assert (recipe.score, recipe.multi_scale_score) == (
        theirs["score_single_scale"],
        theirs["score_multi_scale"],
    )
    assert recipe.checkpoint_url == theirs["checkpoint_url"]
    assert recipe.total_batch == theirs["total_batch_readme"]
    assert recipe.metric == (theirs["metric"] or "mIoU") == theirs["evaluation"]["metric"]
    assert len(recipe.classes()) == theirs["classes"]
    assert recipe.half_precision_scores == (theirs["fp16"] is not None)
    pretraining = theirs["pretraining"]
    assert recipe.source.file == pretraining["local_name"]
    urls = [recipe.source.url]
    if recipe.start is not None:
        begin = RECIPES[recipe.start].checkpoint_url
        assert begin is not None
        assert begin == pretraining["url_in_readme"]
        assert pretraining["load_from_local_name"].startswith(recipe.start)
        urls.append(begin)
    else:
        assert pretraining["load_from_local_name"] is None
        assert pretraining["url_in_readme"] in (None, recipe.source.url)
    assert pretraining["commented_urls"] in (urls, [])


@pytest.mark.parametrize("name", RECIPES)
def test_backbone(official, name):
    model, theirs = RECIPES[name].model, official[name]
    backbone, kind = theirs["backbone"], theirs["backbone_class"]
    assert model.backbone.kind == {"BEiTBaseline": "beit_pyramid"}.get(kind, "adapter")
    assert model.vit.pretrained is True
    family = {"ViTAdapter": ("deit_", "vit_"), "UniPerceiverAdapter": ("uniperceiver",)}.get(kind, ("beit",))
    assert model.vit.name.startswith(family)
    size = {192: "tiny", 384: "small", 768: "base", 1024: "large"}[backbone["embed_dim"]]
    assert f"_{size}" in model.vit.name
    assert model.vit.drop_path_rate == backbone["drop_path_rate"] == theirs["drop_path"]
    assert model.vit.grad_checkpointing == backbone.get("with_cp", False)
    assert model.vit.img_size == backbone.get("img_size")
    assert model.vit.layer_scale == backbone.get("init_values")
    assert model.vit.window_sizes is None
    assert not any(backbone.get("window_attn", []))
    if kind == "BEiTBaseline":
        assert backbone["out_indices"] == [7, 11, 15, 23]  # the backbone's default
        return
    assert model.backbone.injector_init == backbone.get("init_values", 0.0)
    depth = backbone["depth"]
    quarters = [[depth // 4 * stage, depth // 4 * (stage + 1) - 1] for stage in range(4)]
    ours = (
        quarters
        if model.backbone.interaction_indexes is None
        else [list(pair) for pair in model.backbone.interaction_indexes]
    )
    assert ours == backbone["interaction_indexes"]
    # None stands for what was published for the width.
    assert model.backbone.deform_heads is None
    assert model.backbone.deform_ratio is None
    assert backbone["deform_num_heads"] == {192: 6, 384: 6, 768: 12, 1024: 16}[backbone["embed_dim"]]
    assert backbone["deform_ratio"] == (1.0 if backbone["embed_dim"] < 768 else 0.5)
    assert model.backbone.deform_points == backbone["n_points"]
    assert model.backbone.conv_inplanes == backbone["conv_inplane"]
    assert model.backbone.cffn_ratio == (backbone["cffn_ratio"] if backbone.get("with_cffn", True) else None)
    assert model.backbone.extra_extractors == backbone.get("use_extra_extractor", True)
    assert model.backbone.add_vit_feature == backbone.get("add_vit_feature", True)


@pytest.mark.parametrize("name", RECIPES)
def test_head(official, name):
    model, theirs = RECIPES[name].model, official[name]
    head, auxiliary = theirs["head"], theirs["aux_head"]
    if head["type"] == "Mask2FormerHead":
        ours = model.head
        assert model.head.kind == "mask2former"
        assert auxiliary is None
        assert ours.queries == head["num_queries"]
        assert ours.channels == head["feat_channels"] == head["out_channels"]
        assert ours.channels == head["decoder"]["embed"] == head["pixel_decoder"]["embed"]
        assert ours.channels == 2 * head["position_num_feats"]
        assert ours.heads == head["decoder"]["heads"] == head["pixel_decoder"]["heads"]
        assert ours.encoder_layers == head["pixel_decoder"]["encoder_layers"]
        assert ours.decoder_layers == head["decoder"]["layers"]
        assert ours.encoder_feedforward == head["pixel_decoder"]["ffn"]
        assert ours.decoder_feedforward == head["decoder"]["ffn"]
        assert ours.grad_checkpointing == (ours.channels == 1024)  # behaviour 107
    else:
        assert model.head.kind == "upernet"
        assert model.head.channels == head["channels"]
        assert list(model.head.pool_scales) == head["pool_scales"]
        assert model.head.dropout == head["dropout"] == auxiliary["dropout"]
        assert model.head.auxiliary
        assert model.head.auxiliary_channels == auxiliary["channels"]
        assert model.head.auxiliary_weight == auxiliary["loss_weight"]


@pytest.mark.parametrize("name", RECIPES)
def test_training(official, name):
    recipe, theirs = RECIPES[name], official[name]
    training, optimizer, schedule = recipe.training, theirs["optimizer"], theirs["lr_schedule"]
    rule = optimizer["paramwise_cfg"]
    assert training.steps == theirs["iterations"]
    assert training.batch_size == theirs["samples_per_gpu"]
    assert training.accumulate == 1
    assert training.learning_rate == optimizer["lr"]
    assert training.weight_decay == optimizer["weight_decay"]
    assert training.layer_decay == rule.get("layer_decay_rate")
    assert training.head_learning_rate_factor == rule.get("custom_keys", {}).get("head", {}).get(
        "lr_mult", 1.0
    )
    assert training.warmup_steps == schedule["warmup_iters"]
    assert training.warmup_ratio == schedule["warmup_ratio"]
    assert training.power == schedule["power"]
    assert training.minimum_learning_rate == schedule["min_lr"]
    assert training.clip_gradient_norm is theirs["grad_clip"] is None
    assert training.precision == "32-true"  # behaviour 105
    assert training.average_over == "all"
    assert training.validate_every == theirs["evaluation"]["interval"]
    assert training.checkpoint_every == theirs["checkpoint_config"]["interval"]
    changes, resize = recipe.augmentation, theirs["train_resize"]
    assert sorted(changes.base_size or ()) == sorted(resize["img_scale"])
    assert (changes.base_size or (0, 0))[0] == max(resize["img_scale"])
    assert list(changes.scale_range) == resize["ratio_range"]
    assert [changes.crop] * 2 == theirs["crop"] == theirs["train_pad"]["size"]
    assert changes.category_max_ratio == theirs["cat_max_ratio"]
    steps = {step["op"]: step["args"] for step in theirs["train_steps"]}
    assert changes.flip == steps["RandomFlip"]["prob"]
    assert changes.photometric == ("PhotoMetricDistortion" in steps)
    assert recipe.workers == theirs["workers_per_gpu"]
    data = recipe.config().data
    assert data.reduce_zero == theirs["load_annotations"].get("reduce_zero_label", False)
    assert data.mean == theirs["normalisation"]["mean"]
    assert data.std == theirs["normalisation"]["std"]


def _compare_protocol(ours, theirs: dict) -> None:
    assert ours.mode == theirs["mode"]
    assert [ours.crop] * 2 == theirs["crop"]
    assert [ours.stride] * 2 == theirs["stride"]
    assert sorted(ours.resize) == sorted(theirs["image_scale"])
    assert ours.resize[0] >= ours.resize[1]
    assert ours.flip == theirs["flip"]
    assert list(ours.scales) == (theirs["ratios"] or [1.0])
    assert ours.multiple == theirs["divisor"]
    assert ours.resize_rule == ("short_side" if theirs["setr_resize"] else "fit")
    assert ours.unpad == theirs["crops_padding_before_rescale"]
    order = theirs["order"]
    if "PadShortSide" in order:
        assert theirs["pad_short_side"]["size"] == ours.crop
        before = order.index("PadShortSide") < order.index("Normalize")
        assert ours.pad_to_crop == ("before" if before else "after")
    else:
        assert ours.pad_to_crop is None
    assert list(ours.normalization.mean) == theirs["normalisation"]["mean"]
    assert list(ours.normalization.std) == theirs["normalisation"]["std"]


@pytest.mark.parametrize("name", RECIPES)
def test_protocols(official, name):
    recipe, theirs = RECIPES[name], official[name]
    _compare_protocol(recipe.protocol, theirs["test"])
    if theirs["test_ms"] is not None:
        _compare_protocol(recipe.multi_scale, theirs["test_ms"])
    else:
        flag = theirs["multi_scale_by_flag"]
        _compare_protocol(
            recipe.multi_scale, {**theirs["test"], "ratios": flag["ratios"], "flip": flag["flip"]}
        )


@pytest.mark.parametrize("name", RECIPES)
def test_aliases(official, name):
    files = {official[name][key] for key in ("config_file", "config_file_ms")} - {None}
    for file in files:
        recipe = find_recipe(Path(file).stem)
        assert recipe is not None
        assert recipe.name == name
    assert get_recipe(f"{name}_ms").config().protocol == RECIPES[name].multi_scale
    assert get_recipe(f"{name}_ss").config() == get_recipe(name).config()


@pytest.mark.parametrize("name", list_recipes())
def test_config_is_complete(name):
    recipe = all_recipes()[name]
    config = recipe.config()
    assert config.data.layout in get_args(LayoutName)
    assert config.data.layout not in ("auto", "folder")
    assert config.protocol == recipe.protocol
    if recipe.source.timm_name is not None:
        assert config.model.vit.name == recipe.source.timm_name


@pytest.mark.parametrize("key", sorted(PRETRAINED))
def test_pretrained_names_exist_in_timm(key):
    name = PRETRAINED[key].timm_name
    if name is not None:
        assert timm.is_model(name)
        assert timm.get_pretrained_cfg(name, allow_unregistered=False) is not None


@pytest.mark.parametrize("key", sorted(DATASETS))
def test_data_sets(key):
    ours, theirs = DATASETS[key], _json("datasets", f"{key}.json")
    assert list(ours.class_names) == [name.strip() for name in theirs["classes"]]
    assert [list(colour) for colour in ours.palette] == theirs["palette"]
    assert ours.title == theirs["name"]
    assert ours.reduce_zero == theirs["reduce_zero_label"]
    assert (ours.train_images, ours.val_images) == (theirs["train_images"], theirs["val_images"])
    assert ours.layout == key
    table = ours.classes()
    assert len(table) == theirs["num_classes"]
    assert table.ids[0] == (1 if ours.reduce_zero else 0)
    if "trained_classes" in theirs:
        assert list(DATASETS[ours.evaluated_on or ""].class_names) == theirs["trained_classes"]


def test_own_data_has_a_narrow_head_and_leaves_the_crop_to_the_data():
    config = get_recipe("own_data").config()
    assert config.model.head.channels == 128
    assert config.data.augmentation.crop is None
    assert (config.training.class_weights, config.training.layer_decay) == ("auto", 0.65)
    with pytest.raises(InputError, match="not a published model"):
        get_recipe("own_data").classes()


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("upernet_deit_adapter_tiny_512_160k_ade20", "upernet_deit_adapter_tiny_512_160k_ade20k"),
        ("mask2former_beitv2_adapter_large_896_80k_ade", "mask2former_beitv2_adapter_large_896_80k_ade20k"),
        ("deit-small", "upernet_deit_adapter_small_512_160k_ade20k"),
        ("qqq", "`vit-adapter zoo` lists all"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(wrong, near):
    assert find_recipe(wrong) is None
    with pytest.raises(InputError) as error:
        get_recipe(wrong)
    assert near in str(error.value)
    assert repr(wrong) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_list_needs_no_torch():
    code = (
        "import sys, vit_adapter.zoo; assert not {'torch', 'timm', 'lightning_fabric'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
