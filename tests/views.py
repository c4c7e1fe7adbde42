"""Short forms of the walk from a view to its scores, for tests that need whole maps."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig
from vit_adapter.inference import PreparedView, ScoreFrame, plan_views, view_strips
from vit_adapter.inference.grid import Size
from vit_adapter.inference.strips import join_strips
from vit_adapter.inference.windows import ScoreFunction


def prepared_views(image: np.ndarray, protocol: InferenceConfig) -> list[PreparedView]:
    """All views of an image [H, W, C], in the order in which they are averaged."""
    return [PreparedView(image, view, protocol) for view in plan_views(image.shape[:2], protocol)]


def whole_view(view: PreparedView) -> Tensor:
    """A view as the model sees it at once: float32 [1, C, H, W], normalised."""
    return torch.from_numpy(view.cut(Window(0, 0, *view.view.padded)))


def scores_of_view(
    score_function: ScoreFunction,
    images: Tensor,
    original_size: Size | None = None,
    *,
    flip: Any = None,
    **settings: Any,
) -> Tensor:
    """[B, K, H, W] of normalised views [B, C, h, w]: what ``view_strips`` yields, put together.

    Args:
        score_function: The model.
        images: The views, as the model sees them.
        original_size: Size of the images; None: that of the views.
        flip: How the views are mirrored against the images.
        settings: Of ``view_strips``.
    """
    size = (images.shape[2], images.shape[3])

    def cut(window: Window) -> Tensor:
        return images[(..., *window.slices)]

    return join_strips(
        view_strips(score_function, cut, ScoreFrame(size, flip), original_size or size, **settings)
    )
