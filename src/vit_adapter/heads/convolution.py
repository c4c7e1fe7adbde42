"""The building block of the convolutional heads."""

from torch import Tensor, nn

from vit_adapter.ops import NormKind, check_batch_norm, make_norm


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
        check_batch_norm(self.norm, maps.shape[0] * maps.shape[2] * maps.shape[3])
        return self.activation(self.norm(self.conv(maps)))


def make_classifier(channels: int, num_classes: int) -> nn.Conv2d:
    """The 1×1 convolution to class scores: normal of 0.01, bias 0 (behaviour 30)."""
    classifier = nn.Conv2d(channels, num_classes, 1)
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.zeros_(classifier.bias)  # pyright: ignore
    return classifier
