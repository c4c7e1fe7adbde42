"""The published ADE20K models."""

from functools import partial

from .bases import WIDE_MASK2FORMER, by_short_side, padded_beit, padded_beitv2, wide_mask2former
from .making import make_recipe
from .recipe import Recipe

_large = partial(make_recipe, size=(3584, 896), crop=896, batch=1, mask2former=wide_mask2former(queries=200))

ADE20K: tuple[Recipe, ...] = (
    make_recipe(
        "upernet_deit_adapter_tiny_512_160k_ade20k",
        "deit_tiny",
        36_062_428,
        (42.6, 43.6),
        "v0.3.1/upernet_deit_adapter_tiny_512_160_ade20k.pth.tar",
    ),
    make_recipe(
        "upernet_deit_adapter_small_512_160k_ade20k",
        "deit_small",
        57_614_908,
        (46.2, 47.1),
        "v0.3.1/upernet_deit_adapter_small_512_160k_ade20k.pth",
    ),
    make_recipe(
        "upernet_deit_adapter_base_512_160k_ade20k",
        "deit_base",
        133_636_876,
        (48.8, 49.7),
        "v0.3.1/upernet_deit_adapter_base_512_160k_ade20k.pth.tar",
    ),
    make_recipe(
        "upernet_deit_adapter_light_base_512_160k_ade20k", "deit_light_base", 125_535_916, total_batch=None
    ),
    make_recipe(
        "upernet_augreg_adapter_tiny_512_160k_ade20k",
        "augreg_tiny",
        36_062_428,
        (43.9, 44.8),
        "v0.3.1/upernet_augreg_adapter_tiny_512_160_ade20k.pth.tar",
    ),
    make_recipe(
        "upernet_augreg_adapter_base_512_160k_ade20k",
        "augreg_base",
        133_928_716,
        (51.9, 52.5),
        "v0.3.1/upernet_augreg_adapter_base_512_160k_ade20k.pth.tar",
    ),
    make_recipe(
        "upernet_augreg_adapter_large_512_160k_ade20k",
        "augreg_large",
        363_802_092,
        (53.4, 54.4),
        "v0.3.1/upernet_augreg_adapter_large_512_160k_ade20k.pth.tar",
    ),
    make_recipe(
        "upernet_uniperceiver_adapter_large_512_160k_ade20k",
        "uniperceiver_large",
        363_422_188,
        (55.0, 55.4),
        "v0.3.1/upernet_uniperceiver_adapter_large_512_160k_ade20k.pth",
        total_batch=None,
    ),
    make_recipe(
        "upernet_beit_large_512_160k_ade20k",
        "beit_large_alone",
        440_398_636,
        total_batch=None,
        multi_scale=by_short_side,
    ),
    make_recipe(
        "upernet_beit_adapter_large_640_160k_ade20k",
        "beit_large",
        451_919_852,
        (58.0, 58.4),
        "v0.2.1/upernet_beit_adapter_large_640_160k_ade20k.pth.tar",
        size=(2048, 640),
        crop=640,
        multi_scale=by_short_side,
    ),
    make_recipe(
        "mask2former_beit_adapter_large_640_160k_ade20k",
        "beit_large",
        568_204_887,
        (58.3, 59.0),
        "v0.2.2/mask2former_beit_adapter_large_640_160k_ade20k.zip",
        size=(2048, 640),
        crop=640,
        mask2former=WIDE_MASK2FORMER,
        multi_scale=by_short_side,
    ),
    _large(
        "mask2former_beit_adapter_large_896_80k_ade20k",
        "beit_large",
        570_744_407,
        (59.4, 60.5),
        "v0.2.0/mask2former_beit_adapter_large_896_80k_ade20k.zip",
        steps=80_000,
        begin_with="mask2former_beit_adapter_large_896_80k_cocostuff164k",
        multi_scale=padded_beit,
    ),
    _large(
        "mask2former_beitv2_adapter_large_896_80k_ade20k",
        "beitv2_large",
        570_744_407,
        (61.2, 61.5),
        "v0.3.1/mask2former_beitv2_adapter_large_896_80k_ade20k.zip",
        steps=80_000,
        begin_with="mask2former_beitv2_adapter_large_896_80k_cocostuff164k",
        multi_scale=padded_beitv2,
        flip=True,  # in its single-scale file, alone among all (behaviour 82)
    ),
    _large(
        "mask2former_beitv2_adapter_large_896_160k_ade20k",
        "beitv2_large",
        570_744_407,
        validate_every=8000,
    ),
)
