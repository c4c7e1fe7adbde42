"""Forms of deformable attention as operators of torch.library.

A compiled or exported program then holds one node for each call: nothing of it is traced, whatever the sizes are.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from .deformable_reference import twice_differentiable, wants_second_derivative
from .levels import Shapes

Forward = Callable[[Tensor, Shapes, Tensor, Tensor, Tensor | None], Tensor]
Backward = Callable[[Tensor, Tensor, Shapes, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor]]


class Form(Protocol):
    """A form of ``deformable_attention.OPERATOR``, which describes the arguments."""

    def __call__(
        self, value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None = None
    ) -> Tensor: ...


def register(name: str, forward: Forward, backward: Backward) -> Form:
    """Makes a form from a pair of functions that torch need not look into.

    Args:
        name: The operator is ``torch.ops.vit_adapter.NAME``, its gradient ``NAME_backward``.
        forward: Value, shapes, points, weights and reference, as in ``deformable_attention.OPERATOR``, to the output.
        backward: The gradient of the output, and the same, to those of value, points and weights, of their types.

    Returns:
        The form; its gradients of first order are those of ``backward``, those of second order the reference's.
    """

    def run(
        value: Tensor, points: Tensor, weights: Tensor, reference: Tensor | None, sides: Sequence[int]
    ) -> Tensor:
        return forward(value, _pairs(sides), points, weights, reference)

    def run_backward(
        gradient: Tensor,
        value: Tensor,
        points: Tensor,
        weights: Tensor,
        reference: Tensor | None,
        sides: Sequence[int],
    ) -> tuple[Tensor, Tensor, Tensor]:
        return backward(gradient, value, _pairs(sides), points, weights, reference)

    operator = torch.library.custom_op(f"vit_adapter::{name}", run, mutates_args=())
    gradient_operator = torch.library.custom_op(
        f"vit_adapter::{name}_backward", run_backward, mutates_args=()
    )

    @operator.register_fake
    def _(value: Tensor, points: Tensor, weights: Tensor, reference: Tensor | None, sides: Sequence[int]):
        return value.new_empty(value.shape[0], points.shape[1], value.shape[2] * value.shape[3])

    @gradient_operator.register_fake
    def _(gradient: Tensor, value: Tensor, points: Tensor, weights: Tensor, reference: Tensor | None, sides):
        contiguous = torch.contiguous_format
        return tuple(torch.empty_like(one, memory_format=contiguous) for one in (value, points, weights))

    def keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
        value, points, weights, reference, ctx.sides = inputs
        ctx.save_for_backward(value, points, weights, reference)

    def differentiate(ctx: Any, gradient: Tensor) -> tuple:
        value, points, weights, reference = ctx.saved_tensors
        if wants_second_derivative():
            found = twice_differentiable(gradient, value, _pairs(ctx.sides), points, weights, reference)
        else:
            found = gradient_operator(gradient, value, points, weights, reference, ctx.sides)
        return *found, None, None

    operator.register_autograd(differentiate, setup_context=keep)

    def form(
        value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        if reference is not None and reference.requires_grad:
            raise ValueError(f"the form {name} has no gradient for reference points, take the form reference")
        return operator(value, points, weights, reference, [side for shape in shapes for side in shape])

    return form


def _pairs(sides: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(sides[::2], sides[1::2]))
