"""The published plain BEiT baseline: maps of single blocks, resampled by small convolutions (rule 84)."""

from typing import Literal

from torch import Tensor, nn

from vit_adapter.config import InputError
from vit_adapter.ops import make_norm

from .images import prepared_images
from .vit import build_vit, rebuilding_arguments, tokens_to_map
from .vit.beit import BeitDriver


class BeitPyramid(nn.Module):
    """BEiT without adapter, as in the recipe ``upernet_beit_large_512_160k_ade20k``.

    The earliest named block gives the finest map. There is no norm on the maps.

    Args:
        vit: Name of a timm BEiT model, or a module of that family.
        out_indices: Blocks (from 0) whose outputs become the maps at strides 4, 8, 16, 32.
        pretrained: True: timm's weights; a path: a file on disk; False: random weights.
        layer_scale: Start value of the ViT's layer scales.
        no_layer_scale: Take the ViT's layer scales away.
        drop_path_rate: Stochastic depth in 0..1.
        norm: "batch" or "group".
        grad_checkpointing: Recompute blocks in the backward pass.
        in_chans: Channels of the pictures.
        img_size: Side in pixels of the position tables; None: the ViT's own.
        vit_options: Constructor settings for timm's model.
        on_mismatch: "error" or "keep".

    Attributes:
        channels: Width of the maps.
        strides: Their strides.

    Raises:
        InputError: The ViT is no BEiT, its patches are neither 8 nor 16 pixels wide, or an index is too large.
    """

    def __init__(
        self,
        vit: str | nn.Module,
        *,
        out_indices: tuple[int, ...] = (7, 11, 15, 23),
        pretrained: bool | str = False,
        layer_scale: float | None = None,
        no_layer_scale: bool = False,
        drop_path_rate: float = 0.1,
        norm: Literal["batch", "group"] = "batch",
        grad_checkpointing: bool = False,
        in_chans: int = 3,
        img_size: int | None = None,
        vit_options: dict | None = None,
        on_mismatch: Literal["error", "keep"] = "error",
    ) -> None:
        super().__init__()
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        built = build_vit(
            vit,
            pretrained=pretrained,
            layer_scale=layer_scale,
            no_layer_scale=no_layer_scale,
            drop_path_rate=drop_path_rate,
            patch_size=None,
            grad_checkpointing=grad_checkpointing,
            in_chans=in_chans,
            img_size=img_size,
            vit_options=vit_options,
            on_mismatch=on_mismatch,
        )
        if not isinstance(built.driver, BeitDriver):
            raise InputError(f"vit is a {type(built.driver.vit).__name__}, the BEiT baseline needs a BEiT")
        built.driver.use_shared_bias = True
        self.vit, self.driver = built.driver.vit, built.driver
        self.normalization, self.load_report = built.normalization, built.report
        self.arguments = rebuilding_arguments(arguments, built)
        self.in_chans = in_chans
        dim, patch = self.driver.dim, self.driver.patch_size
        self.out_indices = tuple(sorted(out_indices))
        if not self.out_indices or self.out_indices[-1] >= self.driver.depth or len(self.out_indices) > 4:
            raise InputError(
                f"out_indices={out_indices}, expected one to four blocks of 0..{self.driver.depth - 1}"
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
        self.strides = (4, 8, 16, 32)[: len(self.out_indices)]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid.

        Args:
            images: [B, in_chans, H, W]; pixels that fill no patch are dropped.

        Returns:
            Maps [B, D, H/4, W/4] down to [B, D, H/32, W/32], one for each of ``out_indices``.
        """
        images = prepared_images(images, self.in_chans, self.driver.patch_embedding.proj.weight)
        height, width = (
            side // self.driver.patch_size * self.driver.patch_size for side in images.shape[-2:]
        )
        prefix, grid, size = self.driver.embed(images[..., :height, :width].contiguous())
        maps, start = [], 0
        for index in self.out_indices:
            prefix, grid = self.driver.run(start, index, prefix, grid, size)
            maps.append(tokens_to_map(grid, size))
            start = index + 1
        layers = (self.fpn1, self.fpn2, self.fpn3, self.fpn4)
        return [layer(level) for layer, level in zip(layers, maps)]
