"""The convolutional branch that gives the ViT a sense of place (ViT-Adapter, section 3.2)."""

from collections.abc import Callable

from torch import Tensor, nn

from vit_adapter.ops import map_tokens, memory_layout, normalized, pointwise

Norm = Callable[[int], nn.Module]


def _convolution(inputs: int, outputs: int, stride: int, norm: Norm) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        norm(outputs),
        nn.ReLU(inplace=True),
    ]


def _run(stage: nn.Sequential, maps: Tensor) -> Tensor:
    """Its layers one after the other, norms in the form that fits."""
    if stage._forward_hooks or stage._forward_pre_hooks:  # somebody wants it to be called
        return stage(maps)
    makers: tuple[nn.Module, ...] = ()
    for layer in stage:
        is_norm = not isinstance(layer, (nn.Conv2d, nn.ReLU, nn.MaxPool2d))
        maps = normalized(maps, layer, makers) if is_norm else layer(maps)
        makers = (layer,)
    return maps


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
        x4 = _run(self.stem, memory_layout(images))
        x8 = _run(self.stage8, x4)
        x16 = _run(self.stage16, x8)
        x32 = _run(self.stage32, x16)
        c1 = pointwise(x4, self.project4)
        c2, c3, c4 = (
            map_tokens(pointwise(maps, project))
            for maps, project in ((x8, self.project8), (x16, self.project16), (x32, self.project32))
        )
        return c1, c2, c3, c4
