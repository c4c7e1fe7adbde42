"""The building block of the convolutional heads."""

from collections.abc import Sequence

from torch import Tensor, nn

from vit_adapter.ops import (
    NormKind,
    check_batch_norm,
    convolution,
    make_norm,
    normalized,
    pointwise,
    upsampled_convolution,
)


class ConvNormReLU(nn.Module):
    """Convolution without bias, norm, ReLU; starts as published (behaviour 30).

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel in pixels; the map keeps its size.
        norm: "batch" or "group".
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, norm: NormKind = "batch") -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = make_norm(norm, outputs)
        self.activation = nn.ReLU(inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W].

        Raises:
            InputError: Batch norm in training mode sees a single value per channel.
        """
        if self.conv.kernel_size != (3, 3):
            return self._normed(pointwise(maps, self.conv))
        return self._normed(convolution(maps, self.conv.weight, self.conv.bias))

    def fused(self, levels: Sequence[Tensor], align_corners: bool = False) -> Tensor:
        """Of several maps, brought to the size of the first and concatenated; 3×3 kernels only.

        Args:
            levels: [B, C_i, h_i, w_i] each, ``inputs`` channels together.
            align_corners: Of the bilinear resize.

        Returns:
            [B, outputs, h_0, w_0].

        Raises:
            InputError: As ``forward``.
        """
        return self._normed(upsampled_convolution(levels, self.conv.weight, self.conv.bias, align_corners))

    def _normed(self, convolved: Tensor) -> Tensor:
        if self.training:
            check_batch_norm(self.norm, convolved.shape[0] * convolved.shape[2] * convolved.shape[3])
        return self.activation(normalized(convolved, self.norm, (self.conv,)))


def make_classifier(channels: int, num_classes: int) -> nn.Conv2d:
    """The 1×1 convolution to class scores: normal of 0.01, bias 0 (behaviour 30)."""
    classifier = nn.Conv2d(channels, num_classes, 1)
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.zeros_(classifier.bias)  # pyright: ignore
    return classifier
