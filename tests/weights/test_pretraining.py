"""Errors of the official loaders, which no recorded case holds (behaviours 95, 99 and 100)."""

import pytest
import torch

from vit_adapter.config import InputError
from vit_adapter.weights.pretraining import load_official_beit, load_official_vit

TABLE = "blocks.0.attn.relative_position_bias_table"


def _beit(rows: int, heads: int = 3) -> dict[str, torch.Tensor]:
    return {TABLE: torch.randn(rows, heads), "cls_token": torch.randn(1, 1, 6)}


def test_vit_of_another_shape_is_an_error():
    with pytest.raises(InputError, match="1 of another shape, first pos_embed"):
        load_official_vit({"pos_embed": torch.zeros(1, 197, 6)}, {"pos_embed": torch.zeros(1, 577, 6)})


def test_beit_table_of_a_block_that_is_not_there_is_an_error():
    source = {**_beit(52), TABLE.replace("0", "7"): torch.randn(52, 3)}
    with pytest.raises(InputError, match=r"blocks\.7.*the model has no such block"):
        load_official_beit(_beit(52), source)


def test_beit_model_with_a_grid_that_is_not_square_is_an_error():
    with pytest.raises(InputError, match="grid is not square"):
        load_official_beit(_beit(7 * 11 + 3), _beit(52))


def test_beit_table_of_other_heads_is_passed_over():
    _, report = load_official_beit(_beit(52, heads=4), _beit(124))
    assert set(report.kept) == {TABLE}
    assert report.loaded == ("cls_token",)


def test_beit_positions_of_a_model_without_them_are_left_out_and_named():
    # The official loader stops with an AttributeError here.
    _, report = load_official_beit(_beit(52), {**_beit(52), "pos_embed": torch.zeros(1, 17, 6)})
    assert report.left_out == ("pos_embed",)
