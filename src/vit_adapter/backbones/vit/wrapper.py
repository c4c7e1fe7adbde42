"""What every family of plain ViT offers the adapter, and what they share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vit_adapter.config import InputError, ViTConfig
from vit_adapter.ops import map_tokens, memory_layout
from vit_adapter.weights.resample import resample_grid

Size = tuple[int, int]


def tokens_to_map(tokens: Tensor, size: Size) -> Tensor:
    """[B, h*w, C] tokens, rows first, as a map [B, C, h, w] in memory of its own.

    The copy is needed: after a transposed view, the backward pass of batch norm is silently wrong for a batch
    of one (behaviour 23).
    """
    batch, _, channels = tokens.shape
    return tokens.transpose(1, 2).reshape(batch, channels, *size).contiguous()


def tokens_as_map(tokens: Tensor, size: Size) -> Tensor:
    """As ``tokens_to_map``, but in inference on the CPU the same memory, seen as a map."""
    return memory_layout(tokens.unflatten(1, size).permute(0, 3, 1, 2))


class ViTWrapper(ABC):
    """Runs a plain ViT block by block. Not a module: the ViT itself stays the only owner of its weights.

    Args:
        vit: The ViT; its classification parts are removed, since nothing here uses them.
        config: Of its settings, ``prefix_tokens`` and ``final_norm`` are looked at here.

    Attributes:
        vit: The ViT.
        dim: Width of its tokens.
        depth: Number of blocks.
        num_prefix: Number of class and register tokens in front of the grid.
        patch_size: Side of a patch in pixels.
        grid: (rows, columns) of the position table.
        table_prefix: Rows before the grid in that table, whether or not their tokens are kept.
    """

    grid: Size
    table_prefix: int = 0
    num_prefix: int = 0
    norm_eps = 1e-6
    """Epsilon of the adapter's layer norms beside this family (behaviour 19)."""
    kept_bytes = 1 << 28
    """What may be kept between images (relative position biases of BEiT) takes so much memory at most."""
    broadcasts = False
    """Whether the family's published loader spreads a single value or row over a larger weight (behaviour 95)."""

    def __init__(self, vit: nn.Module, config: ViTConfig) -> None:
        self.vit: Any = vit
        self.grad_checkpointing = False
        self.has_final_norm = config.final_norm
        if not self.has_final_norm:
            remove_unused(vit, ("norm",))
        elif isinstance(getattr(vit, "norm", None), (nn.Identity, type(None))):
            raise InputError(
                f"final_norm=True: this {type(vit).__name__} has no layer norm after its last block; "
                "leave it off"
            )

    @property
    def dim(self) -> int:
        return self.vit.embed_dim

    @property
    def blocks(self) -> Any:
        """The ViT's blocks: a module that can be indexed and counted."""
        return self.vit.blocks

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def patch_size(self) -> int:
        return int(self.patch_embedding.proj.kernel_size[0])

    @property
    def patch_embedding(self) -> Any:
        """The module whose ``proj`` is the convolution that cuts images into patches."""
        return self.vit.patch_embed

    @abstractmethod
    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        """Cuts images into tokens.

        Args:
            images: [B, C, H, W] normalised.

        Returns:
            Prefix tokens [B, num_prefix, dim], grid tokens [B, h * w, dim], and (h, w).
        """

    @abstractmethod
    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Runs the blocks ``first`` to ``last``, both included.

        Args:
            first: Index of the first block.
            last: Index of the last block.
            prefix: [B, num_prefix, dim].
            grid: [B, h * w, dim].
            size: (h, w).

        Returns:
            Prefix and grid of the same shapes.
        """

    def read(self, grid: Tensor) -> Tensor:
        """A stage's grid tokens as the adapter reads them: through the final layer norm, where it is kept."""
        return self.vit.norm(grid) if self.has_final_norm else grid

    def take_grid(self, grid: Size) -> None:
        """Makes room for a position table of another grid, which keeps its stored size (behaviour 6)."""
        vit = self.vit
        rows = self.table_prefix + grid[0] * grid[1]
        vit.pos_embed = nn.Parameter(vit.pos_embed.new_zeros(1, rows, self.dim))
        self.grid = grid

    def reset_embedding(self) -> None:  # noqa: B027 (other families start so by themselves)
        """Starts patches and positions of a ViT without weights as the published adapters do."""

    def set_layer_scale(self, value: float | None, remove: bool = False) -> bool:
        """Gives every block layer scales that start at ``value``.

        Args:
            value: Start value; None: as published for the family, which leaves scales that are there alone.
            remove: Take the layer scales away instead.

        Returns:
            Whether there are scales now that the ViT did not have by itself.
        """
        raise InputError(f"layer_scale cannot be set for {type(self.vit).__name__}")

    def set_drop_path(self, rate: float) -> None:
        """Stochastic depth growing linearly from 0 at the first block to ``rate`` at the last (behaviour 15)."""
        steps = max(self.depth - 1, 1)
        for index, block in enumerate(self.blocks):
            own = rate * index / steps
            for name in ("drop_path1", "drop_path2"):
                if hasattr(block, name):
                    setattr(block, name, DropPath(own) if own > 0 else nn.Identity())

    def set_windows(self, sizes: list[int | None]) -> None:
        """Restricts the attention of single blocks to windows; only the plain family offers it."""
        raise InputError(f"window_sizes is offered for plain ViTs only, not for {type(self.vit).__name__}")

    def call(self, block, *inputs) -> Tensor:
        """Runs one block, recomputing it in the backward pass if asked to."""
        if self.grad_checkpointing and self.vit.training and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)  # pyright: ignore
        return block(*inputs)


def embed_patches(vit: Any, images: Tensor) -> tuple[Tensor, Size]:
    """[B, C, H, W] images as tokens [B, h * w, dim] without positions, and (h, w), by timm's patch embedding."""
    maps = vit.patch_embed.proj(images)
    # All blocks inherit the memory order of these tokens; norms would copy turned ones at every call.
    return vit.patch_embed.norm(map_tokens(maps)), (maps.shape[-2], maps.shape[-1])


def embed_with_table(
    wrapper: ViTWrapper, tokens: Sequence[str], images: Tensor
) -> tuple[Tensor, Tensor, Size]:
    """``ViTWrapper.embed`` of timm's ViTs that have an absolute position table, or no table at all.

    Args:
        wrapper: The ViT.
        tokens: Names of the class and register tokens that are kept, in their order.
        images: [B, C, H, W] normalised.
    """
    vit: Any = wrapper.vit
    grid, size = embed_patches(vit, images)
    prefix = grid[:, :0]
    if tokens:
        prefix = torch.cat([getattr(vit, name) for name in tokens], dim=1)
        if vit.pos_embed is not None and wrapper.table_prefix:
            prefix = prefix + vit.pos_embed[:, : wrapper.table_prefix]
        prefix = prefix.expand(grid.shape[0], -1, -1).to(grid.dtype)
    if vit.pos_embed is not None:
        grid = grid + resample_grid(vit.pos_embed, wrapper.grid, size)
    return *part(vit.norm_pre(vit.pos_drop(join(prefix, grid))), wrapper.num_prefix), size


def remove_unused(vit: nn.Module, names: tuple[str, ...]) -> None:
    """Replaces a ViT's classification parts, which a feature pyramid never uses, by nothing."""
    for name in names:
        if getattr(vit, name, None) is not None:
            setattr(vit, name, nn.Identity())


def join(prefix: Tensor, grid: Tensor) -> Tensor:
    """[B, p, C] and [B, n, C] as [B, p + n, C]."""
    return torch.cat([prefix, grid], dim=1) if prefix.shape[1] else grid


def part(tokens: Tensor, num_prefix: int) -> tuple[Tensor, Tensor]:
    """The reverse of ``join``."""
    return tokens[:, :num_prefix], tokens[:, num_prefix:]


def table_form(vit: Any, tokens: int) -> tuple[Size, int]:
    """(rows, columns) of a ViT's position table, and the number of its rows before that grid.

    Args:
        vit: With ``pos_embed`` and ``patch_embed.grid_size``.
        tokens: Number of prefix tokens that the ViT has; rows of tokens that were dropped may be there as well.

    Raises:
        InputError: The table does not fit the ViT's grid.
    """
    rows, columns = vit.patch_embed.grid_size
    if vit.pos_embed is None:
        return (rows, columns), 0
    prefix = vit.pos_embed.shape[1] - rows * columns
    if prefix < 0 or (tokens and prefix not in (0, tokens)):
        raise InputError(
            f"position table has {vit.pos_embed.shape[1]} rows, expected {tokens} + {rows} x {columns}"
        )
    return (rows, columns), prefix
