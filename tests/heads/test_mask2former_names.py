"""Names of the head in the official files: one to one in both directions."""

import gzip
import json

import pytest
import torch
from mask2former_parts import SIZES, WIDTHS

from golden.roots import golden_roots
from vit_adapter.config import Mask2FormerConfig
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.weights.official import official_name, our_name

MANIFESTS = sorted({p for root in golden_roots() for p in root.glob("manifests/mask2former_*.json.gz")})


def test_all_parts_have_an_official_name():
    with torch.device("meta"):
        head = Mask2FormerHead(WIDTHS, 3, SIZES, mask_channels=64, project_inputs=True)
    names = {name: official_name(f"head.{name}") for name in head.state_dict()}
    assert len(set(names.values())) == len(names)
    assert {our_name(official) for official in names.values()} == {f"head.{name}" for name in names}


@pytest.mark.skipif(not MANIFESTS, reason="VIT_ADAPTER_GOLDEN names no folder with manifests of Mask2Former")
def test_published_heads():
    """Keys and shapes of every published head, and its number of parameters."""
    for path in MANIFESTS:
        with gzip.open(path, "rt") as file:
            manifest = json.load(file)
        keys = {k: v for k, v in manifest["keys"].items() if k.startswith("decode_head.")}
        prefix, linear = "decode_head.", ".layers.0.ffns.0.layers.0.0.weight"
        queries, channels = keys[prefix + "query_feat.weight"]
        config = Mask2FormerConfig(
            queries=queries,
            channels=channels,
            heads=8 if channels == 256 else 32,
            encoder_feedforward=keys[prefix + "pixel_decoder.encoder" + linear][0],
            decoder_feedforward=keys[prefix + "transformer_decoder" + linear][0],
        )
        level = keys[prefix + "pixel_decoder.input_convs.0.conv.weight"][1]
        with torch.device("meta"):
            head = Mask2FormerHead([level] * 4, keys[prefix + "cls_embed.bias"][0] - 1, config)
        ours = {official_name(f"head.{name}"): list(value.shape) for name, value in head.state_dict().items()}
        assert ours == keys, path.name
        assert {our_name(name) for name in keys} == {f"head.{name}" for name in head.state_dict()}
        assert sum(p.numel() for p in head.parameters()) == manifest["parameters_by_part"]["decode_head"]
