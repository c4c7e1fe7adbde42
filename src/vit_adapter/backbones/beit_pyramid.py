"""The published plain BEiT baseline: maps of single blocks, resampled by small convolutions (behaviour 22)."""

from typing import Literal, Unpack

from torch import Tensor, nn

from vit_adapter.config import BeitPyramidConfig, InputError, ViTConfig, ViTSettings
from vit_adapter.ops import make_norm

from .adapter import STRIDES
from .backbone import PlainViTBackbone
from .images import prepared_images, whole_patches
from .vit import tokens_to_map
from .vit.beit import BeitWrapper


class BeitPyramid(PlainViTBackbone):
    """BEiT without adapter, as in the recipe ``upernet_beit_large_512_160k_ade20k``.

    The earliest named block gives the finest map. There is no norm on the maps.

    Args:
        vit: Name of a timm BEiT model, its settings, or a module of that family.
        out_indices: Blocks (from 0) whose outputs become the maps at strides 4, 8, 16, 32.
        norm: "batch" or "group".
        vit_settings: Fields of ``ViTConfig``.

    Attributes:
        channels: Width of the maps.
        strides: Their strides.

    Further attributes are those of ``PlainViTBackbone``.

    Raises:
        InputError: The ViT is no BEiT, its patches are neither 8 nor 16 pixels wide, or an index is too large.
    """

    def __init__(
        self,
        vit: str | nn.Module | ViTConfig,
        *,
        out_indices: tuple[int, ...] = (7, 11, 15, 23),
        norm: Literal["batch", "group"] = "batch",
        **vit_settings: Unpack[ViTSettings],
    ) -> None:
        super().__init__(vit, patch_size=None, **vit_settings)
        self.config, self.norm = BeitPyramidConfig(out_indices=tuple(out_indices)), norm
        if not isinstance(self.wrapper, BeitWrapper):
            raise InputError(f"vit is a {type(self.vit).__name__}, the BEiT baseline needs a BEiT")
        self.wrapper.use_shared_bias = True
        dim, patch = self.wrapper.dim, self.wrapper.patch_size
        self.out_indices = tuple(sorted(out_indices))
        if not self.out_indices or self.out_indices[-1] >= self.wrapper.depth or len(self.out_indices) > 4:
            raise InputError(
                f"out_indices={out_indices}, expected one to four blocks of 0..{self.wrapper.depth - 1}"
            )
        double = [nn.ConvTranspose2d(dim, dim, 2, stride=2) for _ in range(3)]
        if patch == 16:
            layers = [
                nn.Sequential(double[0], make_norm(norm, dim), nn.GELU(), double[1]),
                nn.Sequential(double[2]),
                nn.Identity(),
                nn.MaxPool2d(2, stride=2),
            ]
        elif patch == 8:
            layers = [nn.Sequential(double[0]), nn.Identity(), nn.MaxPool2d(2), nn.MaxPool2d(4)]
        else:
            raise InputError(f"the BEiT baseline is made for patches of 16 or 8 pixels, this ViT has {patch}")
        # Named as in published files; only the layers of the levels that exist.
        self.fpn1, self.fpn2, self.fpn3, self.fpn4 = layers
        self.channels = (dim,) * len(self.out_indices)
        self.strides = STRIDES[: len(self.out_indices)]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid.

        Args:
            images: [B, in_chans, H, W]; pixels that fill no patch are dropped.

        Returns:
            Maps [B, D, H/4, W/4] down to [B, D, H/32, W/32], one for each of ``out_indices``.
        """
        images = prepared_images(images, self.in_chans, self.wrapper.patch_embedding.proj.weight)
        maps, start = [], 0
        with self.vit_gradients(not self.frozen):
            prefix, grid, size = self.wrapper.embed(whole_patches(images, self.wrapper.patch_size))
            for index in self.out_indices:
                prefix, grid = self.wrapper.run(start, index, prefix, grid, size)
                maps.append(tokens_to_map(grid, size))
                start = index + 1
        layers = (self.fpn1, self.fpn2, self.fpn3, self.fpn4)
        return [layer(level) for layer, level in zip(layers, maps)]
