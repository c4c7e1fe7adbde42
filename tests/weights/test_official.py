"""Official names and ours, one-to-one for every published model."""

import gzip
import json
import os
from pathlib import Path

import pytest
import torch

from vit_adapter.config import InputError
from vit_adapter.weights.official import (
    RULES,
    from_official,
    official_name,
    our_name,
    to_official,
)
from vit_adapter.weights.resample import relative_position_index

ROOTS = [Path(__file__).parents[1] / "golden" / "data"]
ROOTS += [Path(part) for part in os.environ.get("VIT_ADAPTER_GOLDEN", "").split(os.pathsep) if part]
MANIFESTS = {path.name: path for root in ROOTS for path in sorted((root / "manifests").glob("*.json.gz"))}


@pytest.mark.parametrize("name", sorted(MANIFESTS) or ["none"])
def test_names_of_published_models_are_one_to_one(name):
    if name == "none":
        pytest.skip("no manifests: neither tests/golden/data nor VIT_ADAPTER_GOLDEN has them")
    with gzip.open(MANIFESTS[name]) as file:
        keys = json.load(file)["keys"]
    ours = [our_name(key) for key in keys]
    assert len(set(ours)) == len(keys)
    assert [official_name(own) for own in ours] == list(keys)


@pytest.mark.parametrize(
    ("ours", "official"),
    [
        ("backbone.level_embedding", "backbone.level_embed"),
        ("backbone.spatial_prior.stage16.1.running_var", "backbone.spm.conv3.1.running_var"),
        ("backbone.spatial_prior.project32.bias", "backbone.spm.fc4.bias"),
        (
            "backbone.interactions.3.injector.value_norm.bias",
            "backbone.interactions.3.injector.feat_norm.bias",
        ),
        (
            "backbone.interactions.3.extra_extractors.1.attention.value_projection.weight",
            "backbone.interactions.3.extra_extractors.1.attn.value_proj.weight",
        ),
        (
            "backbone.interactions.0.extractor.feedforward.depthwise.weight",
            "backbone.interactions.0.extractor.ffn.dwconv.dwconv.weight",
        ),
        (
            "backbone.interactions.0.extractor.feedforward.fc1.bias",
            "backbone.interactions.0.extractor.ffn.fc1.bias",
        ),
        ("backbone.norms.0.weight", "backbone.norm1.weight"),
        ("backbone.upsample.bias", "backbone.up.bias"),
        ("backbone.vit.blocks.11.ls2.gamma", "backbone.blocks.11.gamma2"),
        ("backbone.vit.blocks.11.gamma_2", "backbone.blocks.11.gamma_2"),
        ("backbone.vit.blocks.1.norm1.bias", "backbone.blocks.1.norm1.bias"),
        ("backbone.vit.layers.1.self_attn.in_proj.bias", "backbone.layers.1.self_attn.in_proj.bias"),
        ("backbone.fpn1.3.weight", "backbone.fpn1.3.weight"),
        ("head.pooling.branches.3.norm.bias", "decode_head.psp_modules.3.1.bn.bias"),
        ("head.pooling.bottleneck.conv.weight", "decode_head.bottleneck.conv.weight"),
        ("head.laterals.2.norm.weight", "decode_head.lateral_convs.2.bn.weight"),
        ("head.fusion.conv.weight", "decode_head.fpn_bottleneck.conv.weight"),
        ("head.classifier.bias", "decode_head.conv_seg.bias"),
        ("auxiliary_head.convs.0.norm.bias", "auxiliary_head.convs.0.bn.bias"),
    ],
)
def test_pairs(ours, official):
    assert official_name(ours) == official
    assert our_name(official) == ours


def test_every_rule_is_its_own_reverse():
    for ours, official in RULES:
        ours, official = (text.replace("{n}", "7").replace("*", "weight") for text in (ours, official))
        assert our_name(official_name(ours)) == ours
        assert official_name(our_name(official)) == official


def test_a_name_without_a_counterpart_is_an_error():
    with pytest.raises(InputError, match="has no official name"):
        official_name("optimizer.state")
    with pytest.raises(InputError, match="not a name in an official"):
        our_name("roi_head.bbox.weight")


def _beit(rows: int, columns: int) -> dict[str, torch.Tensor]:
    table = torch.randn((2 * rows - 1) * (2 * columns - 1) + 3, 3)
    return {
        "backbone.vit.cls_token": torch.randn(1, 1, 6),
        "backbone.vit.blocks.0.attn.relative_position_bias_table": table,
        "head.classifier.weight": torch.randn(4, 6, 1, 1),
        "backbone.norms.1.num_batches_tracked": torch.tensor(3),
    }


@pytest.mark.parametrize("grid", [(4, 4), (2, 5), (5, 2)])
def test_round_trip_is_bit_equal_and_writes_the_index(grid):
    state = _beit(*grid)
    official = to_official(state, grid)
    index = official["backbone.blocks.0.attn.relative_position_index"]
    assert index.shape == (1 + grid[0] * grid[1],) * 2
    back = from_official(official)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_index_by_hand():
    # A grid of 1 x 2: offsets dx = 0 -> row 1, left neighbour -> 2, right neighbour -> 0; class rows 3, 4, 5.
    assert relative_position_index((1, 2)).tolist() == [[5, 3, 3], [4, 1, 0], [4, 2, 1]]


def test_a_wrong_index_is_refused():
    official = to_official(_beit(3, 3))
    name = "backbone.blocks.0.attn.relative_position_index"
    official[name] = official[name].T.contiguous()
    with pytest.raises(InputError, match="relative_position_index: is not the index"):
        from_official(official)


def test_a_table_of_another_grid_is_refused():
    with pytest.raises(InputError, match="does not fit a grid"):
        to_official(_beit(3, 3), (2, 4))
