"""Errors of BEiT's tables and positions, which no recorded case holds (behaviours 95, 99 and 100)."""

import pytest
import torch

from vit_adapter.config import InputError
from vit_adapter.weights.report import LoadReport
from vit_adapter.weights.vit_weights import adapt_vit_weights

TABLE = "blocks.0.attn.relative_position_bias_table"

State = dict[str, torch.Tensor]


def _beit(rows: int, heads: int = 3) -> State:
    return {TABLE: torch.randn(rows, heads), "cls_token": torch.randn(1, 1, 6)}


def _load(target: State, source: State, **settings) -> LoadReport:
    return adapt_vit_weights(source, target, patch_size=16, grid=(4, 4), **settings).report


@pytest.mark.parametrize("mode", ["error", "keep"])
def test_vit_of_another_shape_is_an_error_and_never_spread_by_itself(mode):
    target = {"pos_embed": torch.zeros(1, 16, 6), "patch_embed.proj.bias": torch.zeros(6)}
    source = {"pos_embed": torch.zeros(1, 16, 6), "patch_embed.proj.bias": torch.zeros(1)}
    if mode == "error":
        with pytest.raises(InputError, match=r"1 of another shape, first patch_embed\.proj\.bias"):
            _load(target, source, broadcast=True)
    else:
        report = _load(target, source, on_mismatch=mode, broadcast=True)
        assert report.broadcast == {"patch_embed.proj.bias": "1 to 6"}
        assert set(_load(target, source, on_mismatch=mode).kept) == {"patch_embed.proj.bias"}


def test_beit_table_of_a_block_that_is_not_there_is_an_error():
    source = {**_beit(52), TABLE.replace("0", "7"): torch.randn(52, 3)}
    with pytest.raises(InputError, match=r"blocks\.7.*the model has no such block"):
        _load(_beit(52), source)


def test_beit_model_with_a_grid_that_is_not_square_is_an_error():
    with pytest.raises(InputError, match="grid is not square"):
        _load(_beit(7 * 11 + 3), _beit(52))


def test_beit_table_of_other_heads_is_passed_over():
    report = _load(_beit(52, heads=4), _beit(124), on_mismatch="keep")
    assert set(report.kept) == {TABLE}
    assert report.loaded == ("cls_token",)


def test_beit_positions_of_a_model_without_them_are_left_out_and_named():
    # The official loader stops with an AttributeError here.
    source = {**_beit(52), "pos_embed": torch.zeros(1, 17, 6)}
    report = _load(_beit(52), source, on_mismatch="keep")
    assert report.left_out == ("pos_embed",)
