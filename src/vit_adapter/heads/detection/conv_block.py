"""The building block of necks and region heads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.ops import NormKind, make_norm
from vit_adapter.ops.operator import is_traced

Start = Literal["xavier", "kaiming"]


@dataclass(frozen=True)
class BlockNorm:
    """The norm of convolutions that may have one.

    Attributes:
        kind: "batch" or "group"; None: no norm, the convolution has a bias instead.
        groups: Groups of a group norm; None: up to 32.
    """

    kind: NormKind | None = None
    groups: int | None = None

    def make(self, channels: int) -> nn.Module:
        """The norm for so many channels."""
        assert self.kind is not None
        if self.kind == "group" and self.groups is not None:
            return nn.GroupNorm(self.groups, channels)
        return make_norm(self.kind, channels)


NO_NORM = BlockNorm()


class ConvBlock(nn.Module):
    """Convolution (with bias where no norm follows), norm, ReLU. The map keeps its size unless there is a stride.

    Behaviour 163.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel in pixels.
        norm: The norm behind it; a batch norm is called ``batch_norm``, a group norm ``group_norm``.
        activation: Whether ReLU follows.
        start: "xavier" uniform, or "kaiming" normal over the outputs.
        stride: Of the convolution.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        norm: BlockNorm = NO_NORM,
        *,
        activation: bool = True,
        start: Start = "kaiming",
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=norm.kind is None
        )
        if norm.kind is not None:
            self.add_module(f"{norm.kind}_norm", norm.make(outputs))
        self._norm = None if norm.kind is None else f"{norm.kind}_norm"
        STARTS[start](self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        maps = self._convolved(maps)
        if self._norm is not None:
            maps = self.get_submodule(self._norm)(maps)
        return F.relu(maps) if self.activation else maps

    def _convolved(self, maps: Tensor) -> Tensor:
        conv = self.conv
        if conv.stride[1] == 1 or is_traced() or maps.shape[3] > 1:
            return conv(maps)
        # A single column gives one whatever the step to the next. With a step of two the weights' gradient in bfloat16
        # is made of undefined memory (torch 2.14 on processors with avx512_bf16).
        return F.conv2d(maps, conv.weight, conv.bias, (conv.stride[0], 1), conv.padding)


def kaiming_(weight: Tensor) -> None:
    """Normal, by the number of outputs, for a ReLU behind."""
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


STARTS: dict[Start, Callable[[Tensor], object]] = {"xavier": nn.init.xavier_uniform_, "kaiming": kaiming_}
