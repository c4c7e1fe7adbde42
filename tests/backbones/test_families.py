"""Every family of plain ViT gives a pyramid; big ones on the meta device."""

import pytest
import timm
import torch

from tiny import TINY
from vit_adapter.backbones import UniPerceiver, ViTAdapter, ViTPyramid
from vit_adapter.config import InputError

NAMES = {
    "deit_tiny_patch16_224": 0,
    "deit_tiny_distilled_patch16_224": 0,
    "deit3_small_patch16_224": 1,
    "vit_tiny_patch16_224": 0,
    "vit_large_patch16_384": 0,
    "vit_base_patch16_224.mae": 0,
    "vit_small_patch14_dinov2": 1,
    "vit_small_patch14_reg4_dinov2": 5,
    "vit_base_patch16_clip_224": 1,
    "vit_base_patch16_siglip_224": 0,
    "vit_so400m_patch14_siglip_384": 0,
    "beit_base_patch16_224": 1,
    "beitv2_large_patch16_224": 1,
    "eva02_tiny_patch14_224": 1,
    "vit_small_patch16_dinov3": 5,
    "vit_large_patch16_dinov3": 5,
}


@pytest.mark.parametrize(("name", "prefix"), NAMES.items())
@pytest.mark.slow
def test_builds_and_runs_on_the_meta_device(name, prefix):
    with torch.device("meta"):
        backbone = ViTAdapter(name)
        maps = backbone(torch.empty(2, 3, 64, 96))
    assert [tuple(level.shape[-2:]) for level in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert all(level.shape[:2] == (2, width) for level, width in zip(maps, backbone.channels, strict=True))
    assert backbone.wrapper.num_prefix == prefix


def test_a_depth_that_four_does_not_divide_gives_longer_stages_first():
    with torch.device("meta"):
        backbone = ViTAdapter("vit_so400m_patch14_siglip_384")
    assert backbone.interaction_indexes == [(0, 6), (7, 13), (14, 20), (21, 26)]


SMALL = {
    "plain": ("vit_tiny_patch16_224", TINY),
    "registers": ("vit_small_patch14_reg4_dinov2", TINY),
    "beit": ("beit_base_patch16_224", TINY),
    "eva": ("eva02_tiny_patch14_224", TINY),
    "dinov3": ("vit_small_patch16_dinov3", {"depth": 4, "embed_dim": 48, "num_heads": 3}),
    "uniperceiver": ("uniperceiver_large", TINY),
}


def small(family, **settings):
    name, options = SMALL[family]
    torch.manual_seed(0)
    return ViTAdapter(name, options=options, conv_inplanes=8, **settings)


@pytest.mark.parametrize("size", [[64, 96], (64, 96)])
def test_a_position_table_for_images_that_are_not_square(size):
    name, options = SMALL["plain"]
    backbone = ViTAdapter(name, options={**options, "img_size": size}, conv_inplanes=8)
    assert backbone.wrapper.grid == (4, 6)
    assert backbone.vit.pos_embed.shape[1] == 1 + 4 * 6


@pytest.mark.parametrize("family", SMALL)
def test_trains(family):
    backbone = small(family, injector_init=0.1)
    maps = backbone(torch.randn(2, 3, 32, 64))
    sum((level**2).sum() for level in maps).backward()
    without = [
        name
        for name, parameter in backbone.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all()
    ]
    # What the last block gives its prefix tokens is never read, but they are part of the same tensors.
    assert without == []


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("injectors", [True, False])
def test_a_frozen_vit_gets_no_gradients_and_stays_in_evaluation_mode(family, injectors):
    backbone = small(family, frozen="vit", injectors=injectors).train()
    assert not any(module.training for module in backbone.vit.modules())
    ran_with_graph = []
    block = backbone.wrapper.blocks[-1]
    block.register_forward_hook(
        lambda module, inputs, output: ran_with_graph.append(torch.is_grad_enabled()), always_call=True
    )
    maps = backbone(torch.randn(2, 3, 32, 32))
    sum(level.sum() for level in maps).backward()
    assert all(parameter.grad is None for parameter in backbone.vit.parameters())
    assert backbone.spatial_prior.stem[0].weight.grad is not None
    if family not in ("beit",):  # its blocks are run part by part
        assert ran_with_graph == [injectors]


@pytest.mark.slow
@pytest.mark.parametrize("family", SMALL)
def test_compiles_without_graph_breaks(family):
    backbone = small(family).eval()
    images = torch.randn(1, 3, 32, 64)
    torch._dynamo.reset()
    compiled = torch.compile(backbone, backend="eager", fullgraph=True)
    with torch.no_grad():
        for expected, level in zip(backbone(images), compiled(images), strict=True):
            torch.testing.assert_close(level, expected)


@pytest.mark.parametrize("family", SMALL)
def test_bfloat16_autocast_and_channels_last(family):
    backbone = small(family).eval()
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        expected = backbone(images)
        for level, other in zip(expected, backbone(images.contiguous(memory_format=torch.channels_last))):
            torch.testing.assert_close(level, other, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            half = backbone(images)
    for level, other in zip(expected, half, strict=True):
        assert (level - other.float()).abs().max() <= 0.1 * level.abs().max()


@pytest.mark.parametrize("family", SMALL)
def test_grad_checkpointing_changes_no_number(family):
    images = torch.randn(2, 3, 32, 32)
    gradients = []
    for recompute in (False, True):
        backbone = small(family, grad_checkpointing=recompute, drop_path_rate=0.0, injector_init=0.1).train()
        sum((level**2).sum() for level in backbone(images)).backward()
        gradients.append({name: p.grad for name, p in backbone.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_training_starts_from_the_untouched_vit():
    backbone = small("plain").eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        prefix, grid, size = backbone.wrapper.embed(images)
        _, untouched = backbone.wrapper.run(0, backbone.wrapper.depth - 1, prefix, grid, size)
        seen = []
        backbone.interactions[-1].extractor.register_forward_pre_hook(
            lambda module, inputs: seen.append(inputs[1])
        )
        backbone(images)
    torch.testing.assert_close(seen[0], untouched, rtol=0, atol=0)


@pytest.mark.parametrize("family", ["plain", "dinov3"])
def test_stages_are_read_through_the_final_norm(family):
    name, options = SMALL[family]
    torch.manual_seed(0)
    vit = timm.create_model(name, num_classes=0, img_size=(64, 96), **options).eval()
    torch.nn.init.normal_(vit.norm.weight)
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = vit.forward_intermediates(images, indices=[0, 1, 2, 3], norm=True, intermediates_only=True)
        backbone = ViTAdapter(
            vit, injectors=False, final_norm=True, conv_inplanes=8, prefix_tokens=True
        ).eval()
        seen = []
        for interaction in backbone.interactions:
            interaction.extractor.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
        added = []
        backbone.norms[2].register_forward_pre_hook(lambda module, inputs: added.append(inputs[0]))
        backbone(images)
        backbone.add_vit_feature = False
        backbone(images)
    for stage, tokens in zip(expected, seen, strict=False):
        torch.testing.assert_close(tokens, stage.flatten(2).transpose(1, 2), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(added[0] - added[1], expected[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [(32, 48), (33, 32), (0, 32)])
def test_other_sides_are_refused_with_the_next_ones(side):
    with pytest.raises(InputError, match=rf"{side[0]} x {side[1]}.*multiples of 32.*such as"):
        small("plain")(torch.zeros(1, 3, *side))


@pytest.mark.parametrize(
    ("vit", "settings", "message"),
    [
        ("vit_tiny_patch16_225", {}, r"not a timm model; near: .*vit_tiny_patch16_224"),
        ("resnet18", {}, "not a plain ViT"),
        ("vit_small_r26_s32_224", {}, "convolutional stem"),
        ("vit_tiny_patch16_224", {"interaction_indexes": [(0, 12)]}, r"\[0, 12\].*0\.\.11"),
        ("vit_tiny_patch16_224", {"interaction_indexes": [(0, 5), (6, 11)]}, "four interactions"),
        ("vit_tiny_patch16_224", {"deform_heads": 7}, "deform_heads=7"),
        ("vit_tiny_patch16_224", {"window_sizes": [7]}, "1 entries"),
        ("vit_base_patch16_siglip_224", {"prefix_tokens": True}, "no class or register tokens"),
        ("beit_base_patch16_224", {"window_sizes": [7] * 12}, "without class token: prefix_tokens=False"),
        ("beit_base_patch16_224", {"window_sizes": [7], "prefix_tokens": False}, "1 entries"),
        ("vit_tiny_patch16_224", {"norm": "layer"}, "norm='layer'"),
        ("beit_base_patch16_224", {"final_norm": True}, "Beit has no layer norm after its last block"),
        ("uniperceiver_large", {"final_norm": True}, "UniPerceiver has no layer norm"),
        ("vit_tiny_patch16_224", {"options": {"depht": 3}}, "depht"),
    ],
)
def test_what_does_not_fit_is_named(vit, settings, message):
    with pytest.raises((InputError, ValueError), match=message), torch.device("meta"):
        ViTAdapter(vit, **settings)


def test_a_module_takes_no_weights():
    module = timm.create_model("vit_tiny_patch16_224", depth=4, embed_dim=24, num_heads=3)
    with pytest.raises(InputError, match="with a module"):
        ViTAdapter(module, pretrained=True)


@pytest.mark.parametrize("family", ["plain", "beit", "uniperceiver"])
def test_another_grid_than_the_table_runs(family):
    """BEiT's tables are resampled where the official code fails."""
    backbone = small(family).eval()
    with torch.no_grad():
        for size in ((224, 224), (32, 96), (128, 32)):
            maps = backbone(torch.randn(1, 3, *size))
            assert maps[2].shape[-2:] == (size[0] // 16, size[1] // 16)
            assert all(level.isfinite().all() for level in maps)


def test_beit_without_class_token_in_windows_and_on_another_grid():
    windowed = small("beit", prefix_tokens=False, window_sizes=[3, None, 2, None]).eval()
    tables = [block.attn.relative_position_bias_table for block in windowed.vit.blocks]
    rows = (2 * windowed.wrapper.grid[0] - 1) ** 2
    assert [len(table) for table in tables] == [25, rows, 9, rows]
    with torch.no_grad():
        for size in ((64, 64), (32, 96)):
            maps = windowed(torch.randn(1, 3, *size))
            assert maps[2].shape[-2:] == (size[0] // 16, size[1] // 16)
            assert all(level.isfinite().all() for level in maps)


def test_pyramid_of_the_vit_alone():
    pyramid = ViTPyramid("vit_tiny_patch16_224", options=TINY)
    maps = pyramid(torch.randn(2, 3, 32, 64))
    assert [tuple(level.shape) for level in maps] == [
        (2, 24, 8, 16),
        (2, 24, 4, 8),
        (2, 24, 2, 4),
        (2, 24, 1, 2),
    ]
    sum(level.sum() for level in maps).backward()
    frozen = ViTPyramid("vit_tiny_patch16_224", options=TINY, frozen="vit").train()
    assert not frozen.vit.training
    assert not frozen.wrapper.embed(torch.zeros(1, 3, 32, 32))[1].requires_grad


def test_uniperceiver_as_a_module():
    backbone = ViTAdapter(UniPerceiver(64, 24, 4, 3), conv_inplanes=8).eval()
    assert backbone(torch.randn(1, 3, 32, 32))[0].shape == (1, 24, 8, 8)
