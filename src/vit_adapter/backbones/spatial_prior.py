"""The convolutional branch that gives the ViT a sense of place (ViT-Adapter, section 3.2)."""

from collections.abc import Callable

from torch import Tensor, nn

from vit_adapter.ops import memory_layout

Norm = Callable[[int], nn.Module]


def _convolution(inputs: int, outputs: int, stride: int, norm: Norm) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        norm(outputs),
        nn.ReLU(inplace=True),
    ]


class SpatialPrior(nn.Module):
    """Maps at strides 4, 8, 16 and 32 from the image alone.

    Args:
        inplanes: Width of the stem; the later stages have 2, 4 and 4 times as many channels.
        dim: Width of the four outputs.
        in_chans: Channels of the image.
        norm: Makes the normalisation layer for a number of channels.
    """

    def __init__(self, inplanes: int, dim: int, in_chans: int = 3, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_convolution(in_chans, inplanes, 2, norm),
            *_convolution(inplanes, inplanes, 1, norm),
            *_convolution(inplanes, inplanes, 1, norm),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stage8 = nn.Sequential(*_convolution(inplanes, 2 * inplanes, 2, norm))
        self.stage16 = nn.Sequential(*_convolution(2 * inplanes, 4 * inplanes, 2, norm))
        self.stage32 = nn.Sequential(*_convolution(4 * inplanes, 4 * inplanes, 2, norm))
        self.project4 = nn.Conv2d(inplanes, dim, 1)
        self.project8 = nn.Conv2d(2 * inplanes, dim, 1)
        self.project16 = nn.Conv2d(4 * inplanes, dim, 1)
        self.project32 = nn.Conv2d(4 * inplanes, dim, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Runs the branch.

        Args:
            images: [B, C, H, W] with sides that are multiples of 32.

        Returns:
            c1 [B, dim, H/4, W/4] as a map; c2, c3, c4 as tokens [B, H/s * W/s, dim] of strides 8, 16, 32.
        """
        x4 = self.stem(memory_layout(images))
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        c1 = self.project4(x4)
        c2, c3, c4 = (
            projected.flatten(2).transpose(1, 2)  # [B, dim, h, w] -> [B, h*w, dim]
            for projected in (self.project8(x8), self.project16(x16), self.project32(x32))
        )
        return c1, c2, c3, c4
