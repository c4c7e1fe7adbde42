"""DINOv3's rotary positions (Siméoni et al., 2025): any grid spans the same range, and the periods are weights."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class RotaryPositions(nn.Module):
    """Sines and cosines by which queries and keys of grid tokens are rotated (behaviour 113).

    timm has the same, but makes the periods itself; the published files hold them, rounded to bfloat16, and so do
    ours.

    Args:
        periods: float [head width / 4].
        rescale: In training mode all coordinates are multiplied by a factor, log-uniform between 1 / ``rescale`` and
            ``rescale``, drawn anew at every call; None: never.
    """

    optional_entries: ClassVar[tuple[str, ...]] = ("periods",)
    """What files of other programs, and model folders of earlier versions, may lack."""
    periods: Tensor

    def __init__(self, periods: Tensor, rescale: float | None = None) -> None:
        super().__init__()
        self.register_buffer("periods", periods.detach().clone())
        self.rescale = rescale

    @property
    def draws(self) -> bool:
        """Whether every block gets rotations of its own now."""
        return self.training and self.rescale is not None

    def get_embed(self, shape: Sequence[int]) -> Tensor:
        """Rotations of a grid.

        Args:
            shape: (rows, columns).

        Returns:
            [rows * columns, 2 * head width], sines before cosines, in the type of the periods, at least float32.
        """
        factor = None
        if self.draws:
            assert self.rescale is not None
            spread = math.log(self.rescale)
            factor = torch.empty(1, device=self.periods.device).uniform_(-spread, spread).exp()
        return torch.cat(rotations(self.periods, shape[0], shape[1], factor), dim=-1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(f"{prefix}periods", self.periods)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RotaryPositions":
        before = self.periods
        super()._apply(fn, recurse)  # pyright: ignore[reportArgumentType]
        if self.periods.dtype in (torch.float16, torch.bfloat16):
            # Angles of half precision would be off by a tenth; such a model rotates in float32.
            self.periods = before.to(self.periods.device)
        return self


def rotations(
    periods: Tensor, rows: int, columns: int, factor: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sines and cosines of all positions of a grid.

    Coordinates run from -1 to 1 over the pixels' centres on each axis, and so does what they are multiplied with; both
    are float32 in every precision, as in the published code. Everything after them is in the periods' type.

    Args:
        periods: [d / 4], d the head width.
        rows: Rows of the grid.
        columns: Columns of the grid.
        factor: What coordinates are multiplied by; None: nothing.

    Returns:
        Sines and cosines, each [rows * columns, d]: row angles, column angles, and the same once more.
    """
    axes = [
        (torch.arange(count, dtype=torch.float32, device=periods.device) + 0.5) / count
        for count in (rows, columns)
    ]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)  # [rows * columns, 2]
    coordinates = 2.0 * grid - 1.0
    if factor is not None:
        coordinates = coordinates * factor
    angles = 2 * math.pi * coordinates[:, :, None] / periods  # [rows * columns, 2, d / 4]
    angles = angles.flatten(1).tile(2)
    return angles.sin(), angles.cos()
