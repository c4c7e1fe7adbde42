"""UperNet: pyramid pooling on the coarsest map, then a top-down pyramid (Xiao et al., ECCV 2018, section 3.1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from vit_adapter.ops import NormKind, pointwise, resized_sum
from vit_adapter.ops.pooling import average_grid

from .convolution import ConvNormReLU, make_classifier
from .pixel_head import PixelHead


class PyramidPooling(nn.Module):
    """The map beside averages of it over coarse grids, merged (PSPNet, Zhao et al., CVPR 2017).

    Args:
        inputs: Input channels.
        channels: Channels of every branch and of the output.
        scales: Grid sides; larger than the map is allowed (behaviour 32).
        norm: "batch" or "group".
        align_corners: Of the resize back.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        scales: Sequence[int],
        norm: NormKind = "batch",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.scales, self.align_corners = tuple(scales), align_corners
        self.branches = nn.ModuleList(ConvNormReLU(inputs, channels, norm=norm) for _ in self.scales)
        self.bottleneck = ConvNormReLU(inputs + len(self.scales) * channels, channels, 3, norm)

    def branch_maps(self, maps: Tensor) -> list[Tensor]:
        """[B, inputs, H, W] -> for every scale [B, channels, scale, scale]."""
        return [
            branch(average_grid(maps, scale))
            for scale, branch in zip(self.scales, self.branches, strict=True)
        ]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, channels, H, W]."""
        return self.bottleneck.fused([maps, *self.branch_maps(maps)], self.align_corners)


class UPerHead(PixelHead):
    """Class scores at stride 4 from a four-level pyramid (behaviour 31).

    Args:
        in_channels: Widths of the maps, fine to coarse.
        channels: Width inside.
        num_classes: Number of classes.
        pool_scales: Grid sides of the pyramid pooling.
        dropout: Share of whole channels dropped before the scores, 0..1.
        norm: "batch" or "group".
        align_corners: Of all resizes.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_classes: int,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        norm: NormKind = "batch",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        *finer, coarsest = in_channels
        self.pooling = PyramidPooling(coarsest, channels, pool_scales, norm, align_corners)
        self.pools_to_one_pixel = 1 in pool_scales
        self.laterals = nn.ModuleList(ConvNormReLU(width, channels, norm=norm) for width in finer)
        self.outputs = nn.ModuleList(ConvNormReLU(channels, channels, 3, norm) for _ in finer)
        self.fusion = ConvNormReLU(len(in_channels) * channels, channels, 3, norm)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = make_classifier(channels, num_classes)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Scores every class.

        Args:
            pyramid: Maps [B, C_i, h_i, w_i], fine to coarse.

        Returns:
            [B, num_classes, h_0, w_0] logits.
        """
        *finer, coarsest = pyramid
        merged = [lateral(level) for lateral, level in zip(self.laterals, finer, strict=True)]
        merged.append(self.pooling(coarsest))
        # Each level adds what the coarser ones have accumulated.
        for index in range(len(finer) - 1, -1, -1):
            makers = tuple(self.laterals[index].modules())
            merged[index] = resized_sum(merged[index], merged[index + 1], self.align_corners, makers)
        # What is not needed any more is let go at once.
        maps = [output(merged.pop(0)) for output in self.outputs] + merged
        return pointwise(self.dropout(self.fusion.fused(maps, self.align_corners)), self.classifier)
