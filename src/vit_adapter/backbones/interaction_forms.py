"""What injectors and extractors compute, plainly, and in inference a part of the tokens at a time.

Memory for all tokens of the prior (16 MB in ViT-B at 512 pixels) takes longer to be taken from the system than to be
filled; that of a part stays in the caches and is used again. Tokens that ask are independent of each other, and so are
those that are normed and projected.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from vit_adapter.ops import Operator, all_parts, overwrites, residual
from vit_adapter.ops.precision import autocast_type

Size = tuple[int, int]
PART_BYTES = 1 << 22
"""Tokens that are handled at once."""


def _inject(injector: Any, grid: Tensor, prior: Tensor, reference: Tensor, shapes: list[Size]) -> Tensor:
    """Arguments as those of ``Injector.forward``, after the injector itself."""
    read = injector.attention(injector.query_norm(grid), reference, injector.value_norm(prior), shapes)
    return residual(grid, read, injector.gamma, all_parts(injector))


def _choose_injection(
    injector: Any, grid: Tensor, prior: Tensor, reference: Tensor, shapes: list[Size]
) -> str:
    return "parts" if _in_parts(injector, prior) else "reference"


injection = Operator(
    "injection", _inject, _choose_injection, rule="parts in inference on the CPU, else reference"
)


@injection.form("parts")
def _inject_in_parts(
    injector: Any, grid: Tensor, prior: Tensor, reference: Tensor, shapes: list[Size]
) -> Tensor:
    values = _values(injector, prior)
    read = injector.attention.read(injector.query_norm(grid), reference, values, shapes)
    return residual(grid, read, injector.gamma, all_parts(injector))


def _extract(
    extractor: Any,
    prior: Tensor,
    grid: Tensor,
    reference: Tensor,
    grid_size: Size,
    shapes: list[Size],
    owned: bool = False,
) -> Tensor:
    """Arguments as those of ``Extractor.forward``, after the extractor itself."""
    read = extractor.attention(
        extractor.query_norm(prior), reference, extractor.value_norm(grid), [grid_size]
    )
    prior = prior + read
    if extractor.feedforward is not None:
        mixed = extractor.feedforward(extractor.feedforward_norm(prior), shapes)
        prior = prior + extractor.drop_path(mixed)
    return prior


def _choose_extraction(
    extractor: Any,
    prior: Tensor,
    grid: Tensor,
    reference: Tensor,
    grid_size: Size,
    shapes: list[Size],
    owned: bool = False,
) -> str:
    return "parts" if _in_parts(extractor, prior) else "reference"


extraction = Operator(
    "extraction", _extract, _choose_extraction, rule="parts in inference on the CPU, else reference"
)


@extraction.form("parts")
def _extract_in_parts(
    extractor: Any,
    prior: Tensor,
    grid: Tensor,
    reference: Tensor,
    grid_size: Size,
    shapes: list[Size],
    owned: bool = False,
) -> Tensor:
    values = _values(extractor, grid)

    def asked(part: slice) -> Tensor:
        asking = prior[:, part]
        query = extractor.query_norm(asking)
        return asking + extractor.attention.read(query, reference[:, part], values, [grid_size])

    prior = _joined(prior, asked, prior if owned else None)
    if extractor.feedforward is None:
        return prior
    layers, norm = extractor.feedforward, extractor.feedforward_norm
    hidden = _joined(prior, lambda part: layers.fc1(norm(prior[:, part])), width=layers.fc1.out_features)
    hidden = layers.mixed(hidden, shapes)
    if extractor.training:  # stochastic depth takes or leaves a whole branch
        return prior + extractor.drop_path(_joined(prior, lambda part: layers.fc2(hidden[:, part])))
    return _joined(prior, lambda part: prior[:, part] + layers.fc2(hidden[:, part]), prior)


def _values(module: Any, tokens: Tensor) -> Tensor:
    """[B, S, C] tokens normed and projected, as the deformable attention of an injector or extractor reads them."""
    projection = module.attention.value_projection
    return _joined(
        tokens, lambda part: projection(module.value_norm(tokens[:, part])), width=projection.out_features
    )


def _joined(
    tokens: Tensor, compute: Callable[[slice], Tensor], out: Tensor | None = None, width: int | None = None
) -> Tensor:
    """What is computed for each part of the tokens [B, S, C], joined again.

    Args:
        tokens: Give the parts.
        compute: From a part to [B, its tokens, D].
        out: What the result is written to where no gradients are wanted; None: new memory.
        width: D; None: C.
    """
    if torch.is_grad_enabled():
        return torch.cat([compute(part) for part in _parts(tokens)], dim=1)
    if out is None:
        out = tokens.new_empty(*tokens.shape[:2], width or tokens.shape[2])
    for part in _parts(tokens):
        out[:, part] = compute(part)
    return out


def _parts(tokens: Tensor) -> Iterator[slice]:
    batch, count, channels = tokens.shape
    step = max(1, PART_BYTES // (batch * channels * tokens.element_size()))
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


def _in_parts(module: Any, tokens: Tensor) -> bool:
    if module.training or not overwrites(tokens, *all_parts(module)) or autocast_type(tokens) is not None:
        return False
    return module.attention.value_projection.weight.dtype == tokens.dtype
