"""Where a token lies on its map, as sines and cosines of many wavelengths (Carion et al., ECCV 2020, appendix A.4)."""

import math

import torch
from torch import Tensor


def sine_position_code(
    padding: Tensor,
    features: int,
    *,
    temperature: float = 10000.0,
    normalize: bool = True,
    scale: float = 2 * math.pi,
    epsilon: float = 1e-6,
    offset: float = 0.0,
) -> Tensor:
    """Codes of all positions of maps (behaviour 43).

    Args:
        padding: [B, H, W], true where a position is padding; positions are counted over the others.
        features: Channels for the rows and as many for the columns; even.
        temperature: The wavelengths grow from one to it, geometrically.
        normalize: Let every map span 0..``scale``, whatever its size.
        scale: See ``normalize``.
        epsilon: Added to the last position, which the others are divided by.
        offset: Added to every position, but not to that divisor.

    Returns:
        [B, 2 * features, H, W], rows first; sine and cosine alternate. Always float32: the published models were
        trained with the rounding of that type.
    """
    valid = (~padding).float()
    rows, columns = valid.cumsum(1), valid.cumsum(2)  # 1, 2, ... [B, H, W]
    if normalize:
        rows = (rows + offset) / (rows[:, -1:, :] + epsilon) * scale
        columns = (columns + offset) / (columns[:, :, -1:] + epsilon) * scale
    channel = torch.arange(features, dtype=torch.float32, device=padding.device)
    wavelengths = temperature ** (2 * (channel / 2).floor() / features)
    codes = []
    for positions in (rows, columns):
        angles = positions[..., None] / wavelengths  # [B, H, W, features]
        pairs = torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], dim=-1)
        codes.append(pairs.flatten(3))  # [B, H, W, features / 2, 2] -> [B, H, W, features]
    return torch.cat(codes, dim=-1).permute(0, 3, 1, 2)


def map_position_code(maps: Tensor) -> Tensor:
    """The code of maps without padding, as tokens.

    Args:
        maps: [B, C, H, W], C a multiple of 4.

    Returns:
        [1, H * W, C] in the type of ``maps``, but at least float32.
    """
    height, width, features = maps.shape[-2], maps.shape[-1], maps.shape[1] // 2
    # Without padding all columns have the same row codes: one line and one column of them are enough.
    nowhere = torch.zeros(1, height, 1, dtype=torch.bool, device=maps.device)
    rows = sine_position_code(nowhere, features)[:, :features].expand(-1, -1, -1, width)
    nowhere = torch.zeros(1, 1, width, dtype=torch.bool, device=maps.device)
    columns = sine_position_code(nowhere, features)[:, features:].expand(-1, -1, height, -1)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    # Joined in the order of tokens, which are added to it: [1, C / 2, H, W] twice -> [1, H, W, C] -> [1, H*W, C]
    code = torch.cat([half.permute(0, 2, 3, 1) for half in (rows, columns)], dim=-1)
    return code.flatten(1, 2).to(dtype)
