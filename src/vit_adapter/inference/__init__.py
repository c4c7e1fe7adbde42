"""How a model is applied to images: views, windows, merging, labels and results. Arrays and callables, no model."""

from .augmentation import View, check_protocol, plan_views
from .protocol import Prediction, apply_protocol, predict_labels
from .strips import resize_scores
from .view_scores import view_scores
from .views import PreparedView, prepare
from .windows import slide, slide_strips, window_grid

__all__ = [
    "Prediction",
    "PreparedView",
    "View",
    "apply_protocol",
    "check_protocol",
    "plan_views",
    "predict_labels",
    "prepare",
    "resize_scores",
    "slide",
    "slide_strips",
    "view_scores",
    "window_grid",
]
