"""Published ViT files into timm models."""

import pytest
import timm
import torch

from vit_adapter.config import InputError
from vit_adapter.weights.files import read_state_dict
from vit_adapter.weights.official import to_official
from vit_adapter.weights.vit_names import join_chunks
from vit_adapter.weights.vit_weights import adapt_vit_weights, split_table_rows

NARROW = {"embed_dim": 12, "depth": 4, "num_heads": 3, "num_classes": 0}


def _model(name: str, **options) -> dict[str, torch.Tensor]:
    state = timm.create_model(name, **{**NARROW, **options}).state_dict()
    return {key: torch.randn_like(value) for key, value in state.items()}


def _without(state: dict[str, torch.Tensor], *names: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if not key.startswith(names)}


def _deit(**options) -> dict[str, torch.Tensor]:
    """A DeiT as the adapter holds it: no class token, no final norm, layer scales added."""
    return _without(_model("vit_small_patch16_224", init_values=1.0, **options), "cls_token", "norm.")


def test_deit_keeps_its_table_and_new_layer_scales():
    target, source = _deit(), _model("vit_small_patch16_224", num_classes=5)
    result = adapt_vit_weights(
        source, target, patch_size=16, grid=(14, 14), table_prefix=1, added_layer_scales=True
    )
    assert result.grid == (14, 14)
    assert set(result.report.left_out) == {
        "cls_token",
        "norm.weight",
        "norm.bias",
        "head.weight",
        "head.bias",
    }
    assert set(result.report.new) == {f"blocks.{i}.ls{j}.gamma" for i in range(4) for j in (1, 2)}
    assert set(result.state) == set(target) - set(result.report.new)
    assert all(torch.equal(value, source[name]) for name, value in result.state.items())


def test_a_file_for_other_images_brings_its_own_grid():
    source = _model("vit_small_patch16_224", img_size=384)
    result = adapt_vit_weights(
        source, _deit(), patch_size=16, grid=(14, 14), table_prefix=1, added_layer_scales=True
    )
    assert result.grid == (24, 24)
    assert torch.equal(result.state["pos_embed"], source["pos_embed"])
    resized = adapt_vit_weights(
        source,
        _deit(),
        patch_size=16,
        grid=(14, 14),
        table_prefix=1,
        added_layer_scales=True,
        resize_table=True,
    )
    assert resized.grid == (14, 14)
    assert resized.state["pos_embed"].shape == (1, 197, 12)
    assert "pos_embed" in resized.report.resampled


def test_missing_layer_scales_of_a_vit_that_has_its_own_are_an_error():
    target = _model("vit_small_patch14_dinov2")
    with pytest.raises(InputError, match=r"8 missing: blocks\.\*\.ls1\.gamma.*no layer scales"):
        adapt_vit_weights(
            _without(target, "blocks.0.ls", "blocks.1.ls", "blocks.2.ls", "blocks.3.ls"),
            target,
            patch_size=14,
            grid=(37, 37),
            table_prefix=1,
        )


@pytest.mark.parametrize("mode", ["bilinear", "flexi"])
def test_patches_are_resampled_where_the_vit_has_them(mode):
    source = _model("vit_small_patch14_dinov2")
    target = {**_without(source, "norm."), "patch_embed.proj.weight": torch.zeros(12, 3, 16, 16)}
    result = adapt_vit_weights(
        {**source, "mask_token": torch.zeros(1, 12)},
        target,
        patch_size=14,
        grid=(37, 37),
        table_prefix=1,
        patch_resample=mode,
    )
    assert result.state["patch_embed.proj.weight"].shape == (12, 3, 16, 16)
    assert result.report.resampled == {"patch_embed.proj.weight": "12 x 3 x 14 x 14 to 12 x 3 x 16 x 16"}
    assert "mask_token" in result.report.left_out


def test_patches_of_another_vit_are_refused():
    source = _model("vit_small_patch14_dinov2")
    with pytest.raises(InputError, match="patches of 14 pixels, the named ViT has 16"):
        adapt_vit_weights(source, _deit(), patch_size=16, grid=(14, 14), table_prefix=1)


def test_another_width_is_refused_with_both_descriptions():
    with pytest.raises(
        InputError, match=r"another shape.*a ViT of width 24, 4 blocks.*the model a ViT of width 12"
    ):
        adapt_vit_weights(
            _model("vit_small_patch16_224", embed_dim=24),
            _deit(),
            patch_size=16,
            grid=(14, 14),
            table_prefix=1,
            added_layer_scales=True,
        )


def test_missing_registers_are_an_error():
    target = _without(_model("vit_small_patch14_reg4_dinov2"), "norm.")
    source = _without(target, "reg_token")
    with pytest.raises(InputError, match=r"1 missing: reg_token"):
        adapt_vit_weights(source, target, patch_size=14, grid=(37, 37))


def test_official_dinov2_with_registers():
    timms = _without(_model("vit_small_patch14_reg4_dinov2"), "norm.")
    position = torch.randn(1, 1, 12)
    official = {**_without(timms, "reg_token"), "register_tokens": timms["reg_token"]}
    official["pos_embed"] = torch.cat([position, timms["pos_embed"]], dim=1)
    official["cls_token"] = timms["cls_token"] - position
    result = adapt_vit_weights(official, timms, patch_size=14, grid=(37, 37))
    for name, value in timms.items():
        torch.testing.assert_close(result.state[name], value)


def test_official_dinov3():
    timms = _without(_model("vit_small_patch16_dinov3_qkvb"), "norm.")
    official = {}
    for name, value in timms.items():
        name = name.replace("reg_token", "storage_tokens")
        official[name.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma")] = value
    for block in range(4):
        stem = f"blocks.{block}.attn."
        query, value = official.pop(f"{stem}q_bias"), official.pop(f"{stem}v_bias")
        official[f"{stem}qkv.bias"] = torch.cat([query, torch.full_like(query, float("nan")), value])
        official[f"{stem}qkv.bias_mask"] = torch.ones(36)
    official |= {"mask_token": torch.zeros(1, 12), "rope_embed.periods": torch.zeros(4)}
    result = adapt_vit_weights(official, timms, patch_size=16, grid=(16, 16))
    assert set(result.state) == set(timms)
    assert all(torch.equal(value, timms[name]) for name, value in result.state.items())
    without_bias = _without(_model("vit_small_patch16_dinov3"), "norm.")
    with pytest.raises(InputError, match="ends with _qkvb"):
        adapt_vit_weights(official, without_bias, patch_size=16, grid=(16, 16))


def test_beit_tables_follow_the_model():
    source = _model("beit_base_patch16_224")
    target = _without(_model("beit_base_patch16_224", img_size=320), "fc_norm.")
    result = adapt_vit_weights(source, target, patch_size=16, grid=(20, 20))
    assert result.state["blocks.3.attn.relative_position_bias_table"].shape == (39 * 39 + 3, 3)
    assert len(result.report.resampled) == 4
    assert result.report.matched == len(target)


def test_chunked_blocks_are_joined():
    plain = {f"blocks.{i}.norm1.weight": torch.tensor(i) for i in range(4)} | {"cls_token": torch.tensor(9)}
    counted = {f"blocks.{i // 2}.{i}.norm1.weight": torch.tensor(i) for i in range(4)} | {
        "cls_token": torch.tensor(9)
    }
    anew = {f"blocks.{i // 2}.{i % 2}.norm1.weight": torch.tensor(i) for i in range(4)}
    assert join_chunks(counted) == plain
    assert join_chunks(anew) == _without(plain, "cls_token")


def test_teacher_of_self_supervised_training(tmp_path):
    target = _deit()
    teacher = {**_model("vit_small_patch16_224"), **{k: v for k, v in _deit().items() if "ls" in k}}
    student = {name: value + 1 for name, value in teacher.items()}

    def stored(state):
        chunks = {}
        for name, value in state.items():
            if name.startswith("blocks."):
                _, block, rest = name.split(".", 2)
                name = f"blocks.{int(block) // 2}.{block}.{rest}"
            chunks[f"backbone.{name}"] = value
        return {**chunks, "dino_head.mlp.0.weight": torch.zeros(3, 12)}

    path = tmp_path / "teacher_checkpoint.pth"
    torch.save({"teacher": stored(teacher), "student": stored(student)}, path)
    state, file = read_state_dict(path)
    result = adapt_vit_weights(state, target, patch_size=16, grid=(14, 14), table_prefix=1, file=file)
    assert all(torch.equal(value, teacher[name]) for name, value in result.state.items())
    assert set(result.state) == set(target)
    assert any("'teacher'" in note for note in result.report.notes)
    assert "dino_head.mlp.0.weight" in result.report.left_out


def _numbered_table(prefix: int) -> torch.Tensor:
    return torch.arange(-prefix, 196, dtype=torch.float32)[None, :, None].expand(1, -1, 12)


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_grid_rows_are_the_last_ones(prefix):
    source = {**_model("vit_small_patch16_224"), "pos_embed": _numbered_table(prefix)}
    result = adapt_vit_weights(
        source, _deit(), patch_size=16, grid=(14, 14), table_prefix=1, added_layer_scales=True
    )
    assert result.grid == (14, 14)
    assert result.state["pos_embed"][0, 1:, 0].tolist() == list(range(196))
    first = result.state["pos_embed"][0, 0, 0]
    assert first == (-prefix if prefix else 0)


def test_rows_that_are_no_grid_are_refused():
    with pytest.raises(InputError, match=r"has 200 rows.*14 x 14 = 196"):
        split_table_rows(200, 1)
    assert split_table_rows(200, 1, registers=4) == (4, 14)


def test_official_adapter_names_of_layer_scales():
    target = _deit()
    official = to_official({f"backbone.vit.{name}": value for name, value in target.items()})
    source = {name.removeprefix("backbone."): value for name, value in official.items()}
    result = adapt_vit_weights(source, target, patch_size=16, grid=(14, 14), table_prefix=1)
    assert all(torch.equal(result.state[name], value) for name, value in target.items())


@pytest.mark.parametrize(("channels", "factor"), [(1, 3.0), (4, 0.75)])
def test_other_channels(channels, factor):
    source = {**_model("vit_small_patch16_224"), "patch_embed.proj.weight": torch.ones(12, 3, 16, 16)}
    target = {**_deit(), "patch_embed.proj.weight": torch.zeros(12, channels, 16, 16)}
    result = adapt_vit_weights(
        source, target, patch_size=16, grid=(14, 14), table_prefix=1, added_layer_scales=True
    )
    torch.testing.assert_close(
        result.state["patch_embed.proj.weight"], torch.full((12, channels, 16, 16), factor)
    )


def test_nothing_in_common():
    source = {f"xyz.{name}": value for name, value in _model("vit_small_patch16_224").items()}
    with pytest.raises(InputError, match=r"0 of \d+ tensors matched; the file has e.g. 'xyz\.cls_token'"):
        adapt_vit_weights(source, _deit(), patch_size=16, grid=(14, 14), table_prefix=1)


def test_real_dinov2_weights(weights_root):
    state, file = read_state_dict(weights_root / "dinov2_vits14.safetensors")
    with torch.device("meta"):
        own = timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict()
    target = {**_without(own, "norm."), "patch_embed.proj.weight": torch.empty(384, 3, 16, 16)}
    result = adapt_vit_weights(state, target, patch_size=14, grid=(37, 37), table_prefix=1, file=file)
    assert result.report.complete
    assert set(result.report.left_out) == {"norm.weight", "norm.bias"}
    assert all(value.dtype == torch.float32 for value in result.state.values())
