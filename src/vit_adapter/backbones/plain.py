"""The same ViT without adapter: the baseline that the adapter has to beat."""

from functools import partial
from typing import Literal, Unpack

from torch import Tensor, nn

from vit_adapter.config import PyramidConfig, ViTConfig, ViTSettings
from vit_adapter.config.documentation import documents_fields_of
from vit_adapter.ops import make_norm

from .adapter import STRIDES, default_interactions, resample_stages
from .backbone import PlainViTBackbone
from .images import check_coarsest, check_sides, prepared_images
from .vit import tokens_to_map


@documents_fields_of(ViTConfig)
class ViTPyramid(PlainViTBackbone):
    """A plain ViT whose four stage outputs are resampled to strides 4, 8, 16 and 32.

    Args:
        vit: As in ``ViTAdapter``.
        norm: "batch" or "group".
        vit_settings: Fields of ``ViTConfig``; with ``frozen="vit"`` only the four output norms are trained.

    Attributes:
        channels: Width of the four maps.
        strides: (4, 8, 16, 32).

    Further attributes and errors are those of ``PlainViTBackbone``.
    """

    def __init__(
        self,
        vit: str | nn.Module | ViTConfig,
        *,
        norm: Literal["batch", "group"] = "batch",
        **vit_settings: Unpack[ViTSettings],
    ) -> None:
        super().__init__(vit, **vit_settings)
        self.config, self.norm = PyramidConfig(), norm
        self.stages = default_interactions(self.wrapper.depth)
        self.channels, self.strides = (self.wrapper.dim,) * 4, STRIDES
        self.norms = nn.ModuleList(map(partial(make_norm, norm), self.channels))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid; shapes and errors as in ``ViTAdapter.forward``."""
        images = prepared_images(images, self.in_chans, self.wrapper.patch_embedding.proj.weight)
        height, width = check_sides(images, self.wrapper.patch_size)
        check_coarsest(self.norms[3], images)
        images = images.contiguous()  # sums are rounded alike, whatever the memory layout of the images
        maps = []
        with self.vit_gradients(not self.frozen):
            prefix, grid, size = self.wrapper.embed(images)
            for first, last in self.stages:
                prefix, grid = self.wrapper.run(first, last, prefix, grid, size)
                maps.append(tokens_to_map(self.wrapper.read(grid), size))
        sizes = [(height // stride, width // stride) for stride in STRIDES]
        return [norm(c) for norm, c in zip(self.norms, resample_stages(maps, sizes), strict=True)]
