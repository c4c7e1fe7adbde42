"""The same ViT without adapter: the baseline that the adapter has to beat."""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from vit_adapter.config.model import frozen_part
from vit_adapter.ops import make_norm

from .adapter import STRIDES, default_interactions, resample_stages
from .images import check_coarsest, check_sides, prepared_images
from .vit import build_vit, rebuilding_arguments, tokens_to_map


class ViTPyramid(nn.Module):
    """A plain ViT whose four stage outputs are resampled to strides 4, 8, 16 and 32.

    Args:
        vit: As in ``ViTAdapter``, like all further arguments.
        pretrained: True: timm's weights; a path: a file on disk; False: random weights.
        prefix_tokens: Keep class and register tokens in the blocks; None: as published for the family.
        layer_scale: Start value of the ViT's layer scales.
        no_layer_scale: Take the ViT's layer scales away.
        drop_path_rate: Stochastic depth in 0..1.
        frozen: "vit" or True: the ViT runs without gradients, only the four output norms are trained.
        norm: "batch" or "group".
        patch_resample: Patches of another size than 16: "bilinear" or "flexi".
        grad_checkpointing: Recompute blocks in the backward pass.
        in_chans: Channels of the pictures.
        img_size: Side in pixels of the position tables; None: the ViT's own.
        vit_options: Constructor settings for timm's model.
        on_mismatch: "error" or "keep".

    Attributes:
        channels: Width of the four maps.
        strides: (4, 8, 16, 32).
    """

    def __init__(
        self,
        vit: str | nn.Module,
        *,
        pretrained: bool | str = False,
        prefix_tokens: bool | None = None,
        layer_scale: float | None = None,
        no_layer_scale: bool = False,
        drop_path_rate: float = 0.1,
        frozen: Literal["vit"] | bool | None = None,
        norm: Literal["batch", "group"] = "batch",
        patch_resample: Literal["bilinear", "flexi"] = "bilinear",
        grad_checkpointing: bool = False,
        in_chans: int = 3,
        img_size: int | None = None,
        vit_options: dict | None = None,
        on_mismatch: Literal["error", "keep"] = "error",
    ) -> None:
        super().__init__()
        frozen = frozen_part(frozen)
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        built = build_vit(
            vit,
            pretrained=pretrained,
            prefix_tokens=prefix_tokens,
            layer_scale=layer_scale,
            no_layer_scale=no_layer_scale,
            drop_path_rate=drop_path_rate,
            patch_resample=patch_resample,
            grad_checkpointing=grad_checkpointing,
            in_chans=in_chans,
            img_size=img_size,
            vit_options=vit_options,
            on_mismatch=on_mismatch,
        )
        self.vit, self.driver = built.driver.vit, built.driver
        self.normalization, self.load_report = built.normalization, built.report
        self.arguments = rebuilding_arguments(arguments, built)
        self.in_chans = in_chans
        self.frozen = frozen == "vit"
        self.stages = default_interactions(built.driver.depth)
        self.channels, self.strides = (built.driver.dim,) * 4, STRIDES
        self.norms = nn.ModuleList(map(partial(make_norm, norm), self.channels))
        if self.frozen:
            self.vit.requires_grad_(False)
            self.vit.eval()

    def train(self, mode: bool = True) -> "ViTPyramid":
        """Training or evaluation mode; a frozen ViT stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.vit.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid; shapes and errors as in ``ViTAdapter.forward``."""
        images = prepared_images(images, self.in_chans, self.driver.patch_embedding.proj.weight)
        check_sides(images)
        check_coarsest(self.norms[3], images)
        images = images.contiguous()  # sums are rounded alike, however the picture lies in memory
        maps = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            prefix, grid, size = self.driver.embed(images)
            for first, last in self.stages:
                prefix, grid = self.driver.run(first, last, prefix, grid, size)
                maps.append(tokens_to_map(grid, size))
        return [norm(c) for norm, c in zip(self.norms, resample_stages(maps), strict=True)]
