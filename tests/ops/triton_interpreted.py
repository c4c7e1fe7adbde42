"""Runs the Triton kernels in Triton's interpreter on the CPU; a process of its own, since Triton decides when imported.

Every check is printed when it has passed, for the test that starts this.
"""

import random

import torch

from vit_adapter.ops import DeformableAttention, forms, recorded_forms
from vit_adapter.ops.deformable_attention import OPERATOR
from vit_adapter.ops.deformable_triton import attend

REFERENCE = OPERATOR.forms["reference"]
Inputs = tuple[torch.Tensor, list[tuple[int, int]], torch.Tensor, torch.Tensor, torch.Tensor | None]


def drawn(seed: int, dtype: torch.dtype, offsets: bool, channels: int, levels: int, heads: int = 2) -> Inputs:
    """Random inputs, some points beyond the maps, some far beyond."""
    chance, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    batch = 1 + seed % 2
    shapes = [(chance.randint(1, 5), chance.randint(1, 5)) for _ in range(levels)]
    queries, points = chance.choice([3, 17]), chance.randint(1, 2)
    value = torch.randn(batch, sum(h * w for h, w in shapes), heads, channels, generator=generator)
    places = torch.rand(batch, queries, heads, levels, points, 2, generator=generator) * 1.6 - 0.3
    places[:, 0, :, :, 0] = 1e30
    places[:, 1, :, :, 0] = -1e9
    logits = torch.randn(places.shape[:-1], generator=generator)
    reference = None
    if offsets:
        places = (places - 0.5) * 6
        reference = torch.rand(
            chance.choice([1, batch]), queries, chance.choice([1, levels]), 2, generator=generator
        )
    # Positions in float32 also where values are not.
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    return value.to(dtype), shapes, places.to(exact), logits.to(exact), reference


def compare(inputs: Inputs, tolerance: float, deterministic: bool = False) -> None:
    """Output and gradients against the reference form, as a share of the largest value."""
    value, shapes, points, weights, reference = inputs
    results = []
    for form in (attend, REFERENCE):
        leaves = [tensor.clone().requires_grad_() for tensor in (value, points, weights)]
        output = form(leaves[0], shapes, leaves[1], leaves[2], reference)
        assert output.dtype == value.dtype
        probe = torch.randn(output.shape, generator=torch.Generator().manual_seed(7)).to(output)
        torch.use_deterministic_algorithms(deterministic)
        results.append([output, *torch.autograd.grad(output, leaves, probe)])
        torch.use_deterministic_algorithms(False)
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        worst = (ours.double() - theirs.double()).abs().max()
        assert worst <= tolerance * theirs.double().abs().max() + 1e-12, float(worst)


def sweep() -> None:
    """Types, widths of heads, numbers of levels, both ways of asking."""
    tolerances = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}
    widths = [8, 12, 24, 32, 40, 64, 96, 128]
    for seed, channels in enumerate(widths):
        dtype = list(tolerances)[seed % 4]
        inputs = drawn(
            seed,
            dtype,
            offsets=seed % 3 != 0,
            channels=channels,
            levels=1 + seed % 4,
            heads=1 + seed // 2 % 2,
        )
        compare(inputs, tolerances[dtype], deterministic=seed % 4 == 1)
        print(f"sweep {channels} {dtype}")


def autograd_and_registration() -> None:
    """Finite differences in float64, and what torch.library asks of an operator."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    value, shapes, points, weights = (
        draw(1, 5, 1, 3),
        [(1, 3), (2, 1)],
        draw(1, 2, 1, 2, 1, 2),
        draw(1, 2, 1, 2, 1),
    )
    reference = torch.rand(1, 2, 1, 2, generator=generator)
    leaves = [tensor.requires_grad_() for tensor in (value, points, weights)]
    assert torch.autograd.gradcheck(lambda v, p, w: attend(v, shapes, p, w, reference), leaves)
    print("gradcheck")
    sides = [side for shape in shapes for side in shape]
    torch.library.opcheck(
        torch.ops.vit_adapter.deformable_attention, (value, points, weights, reference, sides)
    )
    print("opcheck")


def compiled_and_exported() -> None:
    """The layer, compiled with and without gradients, under autocast, and exported, is one operator of the graph."""
    torch.manual_seed(0)
    layer = DeformableAttention(24, levels=2, heads=2, points=2)
    torch.nn.init.normal_(layer.sampling_offsets.weight, std=0.1)
    query, reference, tokens = torch.randn(1, 5, 24), torch.rand(1, 5, 1, 2), torch.randn(1, 16, 24)
    inputs = query, reference, tokens, [(3, 4), (2, 2)]
    with forms("reference"):
        expected = layer(*inputs)
        expected.sum().backward()
    wanted = {name: parameter.grad for name, parameter in layer.named_parameters()}
    layer.zero_grad()
    with forms(deformable_attention="triton"), recorded_forms() as ran:
        output = torch.compile(layer, fullgraph=True, backend="aot_eager")(*inputs)
        output.sum().backward()
        torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-4, atol=1e-5)
        assert ran == {"deformable_attention": {"triton": 1}}
        print("compile")
        with torch.autocast("cpu", torch.bfloat16):
            half = layer(*inputs)
        assert half.dtype == torch.bfloat16
        assert (half.float() - expected).abs().max() <= 2e-2 * expected.abs().max()
        half.float().sum().backward()
        print("autocast")
        exported = torch.export.export(layer, inputs).module()
        torch.testing.assert_close(exported(*inputs), expected, rtol=1e-5, atol=1e-6)
        print("export")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sweep()
    autograd_and_registration()
    compiled_and_exported()
