"""ViT-Adapter: a four-level feature pyramid from any plain ViT (Chen et al., ICLR 2023, section 3)."""

import copy
import math
from functools import partial
from typing import Literal, Unpack, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import AdapterConfig, InputError, ViTConfig, ViTSettings
from vit_adapter.config.documentation import documents_fields_of
from vit_adapter.ops import (
    DeformableAttention,
    all_parts,
    doubled_sum,
    make_norm,
    normalized,
    overwrites,
    residual,
    resized_sum,
)

from .backbone import PlainViTBackbone
from .images import check_coarsest, check_sides, prepared_images
from .interaction import Extractor, Injector, Interaction, pixel_centres
from .spatial_prior import SpatialPrior
from .vit import tokens_as_map

STRIDES = (4, 8, 16, 32)
"""Strides of the pyramid, fine to coarse."""


def default_interactions(depth: int) -> list[tuple[int, int]]:
    """The depth cut in four, longer stages first: 27 blocks give 7, 7, 7, 6."""
    if depth < 4:
        raise InputError(
            f"a ViT of {depth} blocks cannot be split into four stages; give interaction_indexes yourself"
        )
    base, longer = divmod(depth, 4)
    ends, end = [], 0
    for stage in range(4):
        start, end = end, end + base + (stage < longer)
        ends.append((start, end - 1))
    return ends


def published_deformable(dim: int, heads: int | None, ratio: float | None) -> tuple[int, float]:
    """Heads and value ratio of the deformable attention for a width, where not given.

    As published: up to 384: 6 heads, ratio 1; 768: 12, 0.5; from 1024 on: 16, 0.5. Another width takes the ratio
    of the nearest published one, and the largest number of heads up to that one's which divides.
    """
    published = {192: (6, 1.0), 384: (6, 1.0), 768: (12, 0.5), 1024: (16, 0.5)}
    nearest = min(published, key=lambda width: abs(width - dim))
    usual_heads, usual_ratio = published[nearest]
    ratio = usual_ratio if ratio is None else ratio
    if heads is None:
        heads = next(count for count in range(usual_heads, 0, -1) if int(dim * ratio) % count == 0)
    return heads, ratio


@documents_fields_of(AdapterConfig, ViTConfig)
class ViTAdapter(PlainViTBackbone):
    """A plain ViT with a spatial prior beside it, which gives maps at strides 4, 8, 16 and 32 (behaviour 123).

    Args:
        vit: Name of a timm model, or a module, of the families VisionTransformer, Beit and Eva; or a
            ``UniPerceiver`` (or "uniperceiver_large"). A module becomes a part of this one and is changed with it.
        interaction_indexes: This and the following ones up to ``norm`` are the fields of ``AdapterConfig``, listed
            below with those of ``ViTConfig`` (see ``help(ViTAdapter)``, or config/backbone.py and config/vit.py).
        norm: "batch", or "group" for batches of one.
        vit_settings: The fields of ``ViTConfig`` but its name: ``pretrained``, ``frozen``, ``drop_path_rate`` (which
            the extractors take in full), ``in_chans`` ...

    Attributes:
        channels: Width of the four maps.
        strides: (4, 8, 16, 32).

    Further attributes and errors are those of ``PlainViTBackbone``.

    Raises:
        InputError: Something among the arguments does not fit the ViT.
    """

    config: AdapterConfig

    def __init__(
        self,
        vit: str | nn.Module | ViTConfig,
        *,
        interaction_indexes: list[tuple[int, int]] | None = None,
        injectors: bool = True,
        deform_heads: int | None = None,
        deform_ratio: float | None = None,
        deform_points: int = 4,
        cffn_ratio: float | None = 0.25,
        conv_inplanes: int = 64,
        injector_init: float = 0.0,
        add_vit_feature: bool = True,
        vit_feature: Literal["stages", "last"] = "stages",
        extra_extractors: bool = True,
        pyramid_gate: float | None = None,
        norm: Literal["batch", "group"] = "batch",
        **vit_settings: Unpack[ViTSettings],
    ) -> None:
        own = {name: value for name, value in locals().items() if name in AdapterConfig.__dataclass_fields__}
        super().__init__(vit, **vit_settings)
        self.config, self.norm = AdapterConfig(**copy.deepcopy(own)), norm
        if self.vit_config is not None and self.load_report is None:
            self.wrapper.reset_embedding()
        self.has_injectors = injectors
        dim, depth = self.wrapper.dim, self.wrapper.depth
        self.interaction_indexes = _checked_interactions(interaction_indexes, depth)
        if add_vit_feature and vit_feature == "stages" and len(self.interaction_indexes) != 4:
            raise InputError(
                "add_vit_feature with vit_feature='stages' needs four interactions, interaction_indexes has "
                f"{len(self.interaction_indexes)}"
            )
        self.add_vit_feature, self.vit_feature = add_vit_feature, vit_feature
        self.channels, self.strides = (dim,) * 4, STRIDES

        heads, ratio = published_deformable(dim, deform_heads, deform_ratio)
        batch_norm = partial(make_norm, norm)
        layer_norm = partial(nn.LayerNorm, eps=self.wrapper.norm_eps)
        drop_path_rate = self.vit_settings.drop_path_rate
        extractor = partial(
            Extractor, dim, heads, deform_points, ratio, cffn_ratio, drop_path_rate, norm_layer=layer_norm
        )
        self.spatial_prior = SpatialPrior(conv_inplanes, dim, self.vit_settings.in_chans, batch_norm)
        self.level_embedding = nn.Parameter(torch.zeros(3, dim))
        last = len(self.interaction_indexes) - 1
        self.interactions = nn.ModuleList(
            Interaction(
                injector=Injector(dim, heads, deform_points, ratio, injector_init, layer_norm)
                if injectors
                else None,
                extractor=extractor(),
                extra_extractors=[extractor(), extractor()] if extra_extractors and index == last else [],
                grad_checkpointing=self.vit_settings.grad_checkpointing,
            )
            for index in range(last + 1)
        )
        self.upsample = nn.ConvTranspose2d(dim, dim, 2, stride=2)
        self.norms = nn.ModuleList(batch_norm(dim) for _ in range(4))
        self.stage_norms = nn.ModuleList()
        if pyramid_gate is not None and add_vit_feature:
            self.stage_norms.extend(batch_norm(dim) for _ in range(4))
            for norm_of_adapter in self.norms:
                nn.init.constant_(cast(Tensor, norm_of_adapter.weight), pyramid_gate)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The published initialisation of everything but the ViT (behaviour 25)."""
        for part in (self.spatial_prior, self.interactions, self.upsample):
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=0.02)
                    nn.init.zeros_(module.bias)
                elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                    nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        nn.init.normal_(self.level_embedding)
        for module in self.interactions.modules():
            if isinstance(module, DeformableAttention):
                module.reset_parameters()

    def forward(self, images: Tensor) -> list[Tensor]:
        """The feature pyramid.

        Args:
            images: [B, in_chans, H, W] normalised floats; H and W are multiples of 32. They are brought to the
                weights' floating type.

        Returns:
            Maps [B, D, H/4, W/4], [B, D, H/8, W/8], [B, D, H/16, W/16], [B, D, H/32, W/32].

        Raises:
            InputError: No floats of that shape, a side is not a multiple of 32, or batch norm in training mode would
                see a single value per channel.
        """
        images = prepared_images(images, self.in_chans, self.level_embedding)
        patch = self.wrapper.patch_size
        height, width = check_sides(images, patch)
        check_coarsest(self.norms[3], images)
        images = images.contiguous()  # sums are rounded alike, whatever the memory layout of the images
        shapes = [(height // stride, width // stride) for stride in (8, 16, 32)]
        grid_size = (height // patch, width // patch)
        grid_points = pixel_centres([grid_size], images.device)
        prior_points = pixel_centres(shapes, images.device)

        c1, *levels = self.spatial_prior(images)
        # Whoever watches one of these modules keeps what it gave: sums are not written over that.
        priors = all_parts(self.spatial_prior)
        prior = torch.cat(
            [
                residual(e.expand_as(c), c, None, priors)
                for c, e in zip(levels, self.level_embedding, strict=True)
            ],
            dim=1,
        )
        owned = overwrites(prior, *all_parts(self.interactions))

        # A frozen ViT that nothing is injected into needs no graph at all.
        with self.vit_gradients(self.has_injectors or not self.frozen):
            prefix, grid, _ = self.wrapper.embed(images)
        stages = []
        interactions = cast(list[Interaction], self.interactions)
        for interaction, (first, last) in zip(interactions, self.interaction_indexes, strict=True):
            grid = interaction.inject(grid, prior, grid_points, shapes)
            with self.vit_gradients(self.has_injectors or not self.frozen):
                prefix, grid = self.wrapper.run(first, last, prefix, grid, grid_size)
                stage = self.wrapper.read(grid)
            prior = interaction.extract(prior, stage, prior_points, grid_size, shapes, owned)
            stages.append(stage)

        tokens = prior.split([h * w for h, w in shapes], dim=1)
        c2, c3, c4 = (tokens_as_map(level, size) for level, size in zip(tokens, shapes, strict=True))
        makers = (*priors, *all_parts(interactions[-1]))
        if self.upsample._forward_hooks or self.upsample.bias is None:
            finest = c1 + self.upsample(c2)
        else:
            finest = doubled_sum(c1, c2, self.upsample.weight, self.upsample.bias, makers)
        return self.joined([finest, c2, c3, c4], stages, grid_size, makers)

    def joined(
        self,
        pyramid: list[Tensor],
        stages: list[Tensor],
        grid_size: tuple[int, int],
        makers: tuple[nn.Module, ...],
    ) -> list[Tensor]:
        """The adapter's maps and the ViT's stages, added and normalised; or, with gates, in the other order.

        Pretrained tokens of early blocks are small (those of DINOv2-S deviate by 0.04 where the new prior deviates by
        1.5), so the norm of their sum shows the prior alone until training has made it smaller.
        """
        if not self.add_vit_feature:
            return [normalized(c, norm, makers) for norm, c in zip(self.norms, pyramid, strict=True)]
        maps = [tokens_as_map(stage, grid_size) for stage in stages]
        if self.vit_feature == "last":
            maps = maps[-1:] * 4
        if self.stage_norms:
            pyramid = [normalized(c, norm, makers) for norm, c in zip(self.norms, pyramid, strict=True)]
            maps = [norm(stage) for norm, stage in zip(self.stage_norms, maps, strict=True)]
        pyramid = [resized_sum(c, x, False, makers) for c, x in zip(pyramid, maps, strict=True)]
        if self.stage_norms:
            return pyramid
        return [normalized(c, norm, makers) for norm, c in zip(self.norms, pyramid, strict=True)]


def resample_stages(maps: list[Tensor], sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Four maps of the ViT's grid, first stage first, at the sizes of a pyramid: bilinear, no antialias (behaviour 20).

    Args:
        maps: [B, D, h, w].
        sizes: (height, width) at strides 4, 8, 16 and 32.
    """
    return [
        level if level.shape[2:] == size else F.interpolate(level, size, mode="bilinear", align_corners=False)
        for level, size in zip(maps, sizes, strict=True)
    ]


def _checked_interactions(indexes: list[tuple[int, int]] | None, depth: int) -> list[tuple[int, int]]:
    if indexes is None:
        return default_interactions(depth)
    if not indexes:
        raise InputError("interaction_indexes is empty, expected at least one pair of first and last block")
    for pair in indexes:
        if not 0 <= pair[0] <= pair[-1] < depth:
            raise InputError(
                f"interaction_indexes has {list(pair)}, expected first <= last within 0..{depth - 1}"
            )
    return [(pair[0], pair[-1]) for pair in indexes]
