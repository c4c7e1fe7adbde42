"""Injector, extractor and the interaction around one stage of the ViT (ViT-Adapter, sections 3.3 and 3.4)."""

from collections.abc import Callable

import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vit_adapter.ops import DeformableAttention

from .interaction_forms import extraction, injection
from .vit import tokens_as_map

Size = tuple[int, int]


def pixel_centres(shapes: list[Size], device: torch.device | None = None) -> Tensor:
    """Reference points: the centre of every token, level after level.

    Args:
        shapes: (height, width) of every level.
        device: Where the points are made.

    Returns:
        [1, sum of height * width, 1, 2] (x, y) in 0..1, always float32: the published models were trained
        with points of that precision, and float64 ones move outputs by 4e-6 (behaviour 3).
    """
    levels = []
    for height, width in shapes:
        # Counted, not by linspace, which would fix the size in a compiled program; the same numbers.
        rows = (torch.arange(height, dtype=torch.float32, device=device) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float32, device=device) + 0.5) / width
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        levels.append(torch.stack([x.flatten(), y.flatten()], dim=-1))  # [h*w, 2]
    return torch.cat(levels)[None, :, None, :]


class ConvFeedForward(nn.Module):
    """Linear, depth-wise 3×3 on each of the three maps, GELU, linear (behaviour 18).

    Args:
        dim: Width of the tokens.
        hidden: Width between the linear maps.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.activation = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor, shapes: list[Size]) -> Tensor:
        """Mixes neighbours within each map.

        Args:
            tokens: [B, S, dim], level after level.
            shapes: (height, width) of every level.

        Returns:
            [B, S, dim].
        """
        return self.fc2(self.mixed(self.fc1(tokens), shapes))

    def mixed(self, hidden: Tensor, shapes: list[Size]) -> Tensor:
        """What lies between the linear maps: [B, S, hidden] to [B, S, hidden]."""
        levels = hidden.split([height * width for height, width in shapes], dim=1)
        maps = (
            self.depthwise(tokens_as_map(level, size)) for level, size in zip(levels, shapes, strict=True)
        )
        return self.activation(torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1))


class Injector(nn.Module):
    """The ViT's tokens query the prior's: x + gamma * attention(norm(x), norm(c)) (equation 1).

    gamma starts at ``init`` (zero as published), so that training starts from the untouched ViT.

    Args:
        dim: Width of the tokens.
        heads: Heads of the deformable attention.
        points: Sampling points per head and level.
        ratio: Width of the sampled values relative to ``dim``.
        init: Start value of gamma.
        norm_layer: Makes the layer norm for a width.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        points: int = 4,
        ratio: float = 1.0,
        init: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.query_norm = norm_layer(dim)
        self.value_norm = norm_layer(dim)
        self.attention = DeformableAttention(dim, levels=3, heads=heads, points=points, ratio=ratio)
        self.gamma = nn.Parameter(torch.full((dim,), init))

    def forward(self, grid: Tensor, prior: Tensor, reference: Tensor, shapes: list[Size]) -> Tensor:
        """Adds what the prior knows.

        Args:
            grid: [B, H/16 * W/16, dim] tokens of the ViT.
            prior: [B, S, dim] tokens of the prior at strides 8, 16, 32.
            reference: [1, H/16 * W/16, 1, 2] centres of the ViT's tokens.
            shapes: (height, width) of the prior's three maps.

        Returns:
            [B, H/16 * W/16, dim].
        """
        return injection(self, grid, prior, reference, shapes)


class Extractor(nn.Module):
    """The prior's tokens query the ViT's, then a convolutional feed-forward mixes them (equations 2 and 3).

    Args:
        dim: Width of the tokens.
        heads: Heads of the deformable attention.
        points: Sampling points per head.
        ratio: Width of the sampled values relative to ``dim``.
        cffn_ratio: Hidden width of the feed-forward relative to ``dim``; None: no feed-forward.
        drop_path: Stochastic depth of the feed-forward branch, and of it alone (behaviour 17).
        norm_layer: Makes the layer norm for a width.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        points: int = 4,
        ratio: float = 1.0,
        cffn_ratio: float | None = 0.25,
        drop_path: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.query_norm = norm_layer(dim)
        self.value_norm = norm_layer(dim)
        self.attention = DeformableAttention(dim, levels=1, heads=heads, points=points, ratio=ratio)
        self.feedforward = None
        if cffn_ratio is not None:
            self.feedforward_norm = norm_layer(dim)
            self.feedforward = ConvFeedForward(dim, int(dim * cffn_ratio))
            self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(
        self,
        prior: Tensor,
        grid: Tensor,
        reference: Tensor,
        grid_size: Size,
        shapes: list[Size],
        owned: bool = False,
    ) -> Tensor:
        """Updates the prior's tokens.

        Args:
            prior: [B, S, dim] tokens of the prior at strides 8, 16, 32.
            grid: [B, H/16 * W/16, dim] tokens of the ViT.
            reference: [1, S, 1, 2] centres of the prior's tokens.
            grid_size: (height, width) of the ViT's grid.
            shapes: (height, width) of the prior's three maps.
            owned: Nobody else needs ``prior``, so that in inference the result may be written over it.

        Returns:
            [B, S, dim].
        """
        return extraction(self, prior, grid, reference, grid_size, shapes, owned)


class Interaction(nn.Module):
    """Injector, the ViT's blocks of one stage, extractor, and two more extractors in the last one (behaviour 16).

    Args:
        injector: None: nothing is written back to the ViT (DINOv3's form).
        extractor: Reads the stage's output.
        extra_extractors: Further extractors that read the same output.
        grad_checkpointing: Recompute injector and extractors in the backward pass.
    """

    def __init__(
        self,
        injector: Injector | None,
        extractor: Extractor,
        extra_extractors: list[Extractor],
        grad_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.injector = injector
        self.extractor = extractor
        self.extra_extractors = nn.ModuleList(extra_extractors)
        self.grad_checkpointing = grad_checkpointing

    def _call(self, module: nn.Module, *inputs):
        if self.grad_checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(module, *inputs, use_reentrant=False)
        return module(*inputs)

    def inject(self, grid: Tensor, prior: Tensor, reference: Tensor, shapes: list[Size]) -> Tensor:
        """What the ViT's stage starts from; shapes as in ``Injector.forward``."""
        if self.injector is None:
            return grid
        return self._call(self.injector, grid, prior, reference, shapes)

    def extract(
        self,
        prior: Tensor,
        grid: Tensor,
        reference: Tensor,
        grid_size: Size,
        shapes: list[Size],
        owned: bool = False,
    ) -> Tensor:
        """What the prior takes from the stage's output; arguments as in ``Extractor.forward``."""
        for extractor in [self.extractor, *self.extra_extractors]:
            prior = self._call(extractor, prior, grid, reference, grid_size, shapes, owned)
        return prior
