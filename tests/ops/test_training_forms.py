"""Forms that training on the CPU runs in: channels-last maps, and gradients of rows by a sparse product."""

import pytest
import torch

from vit_adapter import ViTAdapter
from vit_adapter.ops import deformable_attention, forms, recorded_forms, row_sum


def draw(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("images", [1, 2, 3])
def test_maps_are_trained_alike_in_every_layout(images):
    """Batch norm after views of tokens, and after copies of them (behaviour 23)."""
    backbone = ViTAdapter("vit_tiny_patch16_224", options={"depth": 4}, img_size=64, drop_path_rate=0.0)
    backbone = backbone.double().train()
    inputs, found = draw(images, 3, 64, 64).requires_grad_(), []
    for layout in ("reference", None):
        with forms(**({} if layout is None else {"memory_layout": layout})), recorded_forms() as ran:
            levels = backbone(inputs)
        assert set(ran["memory_layout"]) == {layout or ("reference" if images == 1 else "channels_last")}
        loss = torch.stack([(level * draw(*level.shape, seed=9)).sum() for level in levels]).sum()
        adapter = [one for name, one in backbone.named_parameters() if name.startswith(("upsample", "norms"))]
        leaves = [inputs, backbone.level_embedding, *adapter]
        found.append([*levels, *torch.autograd.grad(loss, leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_gradients_of_rows_are_summed_alike_with_and_without_sorting(monkeypatch):
    """By a sparse product on the CPU; other devices, and tensors without values, sort."""
    shapes = [(4, 3), (2, 2)]
    inputs = [draw(2, 16, 2, 3), draw(2, 7, 2, 2, 2, 2, seed=1) * 0.4 + 0.5, draw(2, 7, 2, 2, 2, seed=2)]
    leaves = [tensor.requires_grad_() for tensor in inputs]
    products, results = [], []
    product = row_sum._sparse_product
    monkeypatch.setattr(
        row_sum, "_sparse_product", lambda *inputs: products.append(inputs) or product(*inputs)
    )
    for sorts in (False, True):
        if sorts:
            monkeypatch.setattr(row_sum, "is_fake", lambda tensor: len(tensor) == 28)  # one row for each bag
        with forms(deformable_attention="row_sum"):
            output = deformable_attention(leaves[0], shapes, leaves[1], leaves[2])
        results.append(torch.autograd.grad(output.square().sum(), leaves))
        assert len(products) == 1
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
