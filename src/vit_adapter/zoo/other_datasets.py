"""The published models of street scenes, COCO-Stuff, Pascal Context, Potsdam and CHASE DB1."""

from dataclasses import replace
from functools import partial

from .bases import (
    NARROW_MASK2FORMER,
    WIDE_MASK2FORMER,
    by_short_side,
    by_short_side_of_streets,
    padded_beit,
    wide_mask2former,
)
from .making import make_recipe
from .recipe import Recipe

_NARROW_ON_LARGE = replace(NARROW_MASK2FORMER, encoder_feedforward=2048)
_streets = partial(
    make_recipe,
    size=(2048, 1024),
    crop=896,
    batch=1,
    mask2former=WIDE_MASK2FORMER,
    steps=80_000,
    validate_every=1000,
    workers=2,
)
_stuff_10k = partial(make_recipe, dataset="coco_stuff10k", multi_scale=by_short_side)
_large = partial(make_recipe, size=(3584, 896), crop=896, batch=1, mask2former=wide_mask2former(queries=200))
_context = partial(
    make_recipe,
    dataset="pascal_context_59",
    size=(520, 520),
    test_size=(4096, 520),
    crop=480,
    multi_scale=by_short_side,
)

OTHERS: tuple[Recipe, ...] = (
    # Cityscapes, and Mapillary Vistas trained as its classes
    _streets(
        "mask2former_beit_adapter_large_896_80k_mapillary",
        "beit_large",
        570_405_332,
        checkpoint="v0.2.3/mask2former_beit_adapter_large_896_80k_mapillary.zip",
        dataset="mapillary_vistas",
        total_batch=None,
    ),
    _streets(
        "mask2former_beit_adapter_large_896_80k_cityscapes",
        "beit_large",
        570_405_332,
        (84.9, 85.8),
        "v0.2.3/mask2former_beit_adapter_large_896_80k_cityscapes.zip",
        dataset="cityscapes",
        begin_with="mask2former_beit_adapter_large_896_80k_mapillary",
        multi_scale=by_short_side_of_streets,
        multiple=None,
    ),
    # COCO-Stuff
    _stuff_10k(
        "mask2former_beit_adapter_base_512_40k_cocostuff10k",
        "beit_base",
        120_249_740,
        (50.0, 50.5),
        "v0.2.9/mask2former_beit_adapter_base_512_40k_cocostuff10k.pth.tar",
        steps=40_000,
        mask2former=NARROW_MASK2FORMER,
    ),
    _stuff_10k(
        "mask2former_beit_adapter_large_512_40k_cocostuff10k",
        "beit_large",
        567_353_964,
        (53.2, 54.2),
        "v0.2.5/mask2former_beit_adapter_large_512_40k_cocostuff10k.zip",
        steps=40_000,
        mask2former=WIDE_MASK2FORMER,
    ),
    _stuff_10k(
        "upernet_beit_adapter_large_512_80k_cocostuff10k",
        "beit_large",
        451_074_326,
        (51.0, 51.4),
        "v0.2.4/upernet_beit_adapter_large_512_80k_cocostuff10k.pth.tar",
        steps=80_000,
    ),
    _large(
        "mask2former_beit_adapter_large_896_80k_cocostuff164k",
        "beit_large",
        570_765_932,
        (51.7, 52.0),
        "v0.2.6/mask2former_beit_adapter_large_896_80k_cocostuff164k.zip",
        steps=80_000,
        dataset="coco_stuff164k",
        multi_scale=padded_beit,
    ),
    _large(
        "mask2former_beitv2_adapter_large_896_80k_cocostuff164k",
        "beitv2_large",
        570_765_932,
        (52.3, None),
        "v0.3.1/mask2former_beitv2_adapter_large_896_80k_cocostuff164k.zip",
        steps=80_000,
        dataset="coco_stuff164k",
    ),
    make_recipe(
        "upernet_beit_adapter_large_640_80k_cocostuff164k",
        "beit_large",
        451_946_774,
        (50.5, 50.7),
        "v0.2.6/upernet_beit_adapter_large_640_80k_cocostuff164k.pth.tar",
        steps=80_000,
        dataset="coco_stuff164k",
        size=(2560, 640),
        crop=640,
        multi_scale=by_short_side,
    ),
    # Pascal Context
    _context(
        "mask2former_beit_adapter_base_480_40k_pascal_context_59",
        "beit_base",
        120_150_684,
        (64.0, 64.4),
        "v0.2.8/mask2former_beit_adapter_base_480_40k_pascal_context_59.pth.tar",
        steps=40_000,
        mask2former=NARROW_MASK2FORMER,
    ),
    _context(
        "mask2former_beit_adapter_large_480_40k_pascal_context_59",
        "beit_large",
        567_051_772,
        (67.8, 68.2),
        "v0.2.7/mask2former_beit_adapter_large_480_40k_pascal_context_59.zip",
        steps=40_000,
        mask2former=WIDE_MASK2FORMER,
    ),
    _context(
        "upernet_beit_adapter_large_480_80k_pascal_context_59",
        "beit_large",
        450_743_350,
        (67.0, 67.5),
        "v0.2.7/upernet_beit_adapter_large_480_80k_pascal_context_59.pth.tar",
        steps=80_000,
    ),
    # Small data sets
    make_recipe(
        "mask2former_beit_adapter_large_512_80k_potsdam",
        "beit_large",
        351_598_215,
        (80.0, None),
        steps=80_000,
        dataset="potsdam",
        batch=1,
        total_batch=8,
        mask2former=_NARROW_ON_LARGE,
    ),
    make_recipe(
        "mask2former_beit_adapter_large_128_40k_chase_db1",
        "beit_large",
        350_159_491,
        (89.4, None),
        steps=40_000,
        dataset="chase_db1",
        size=(999, 960),
        crop=128,
        batch=4,
        mask2former=_NARROW_ON_LARGE,
    ),
)
