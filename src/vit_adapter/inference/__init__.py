"""How a model is applied to images: views, windows, merging, labels and results. Arrays and callables, no model."""

from .application import Application
from .augmentation import View, check_protocol, plan_views
from .many_images import predict_labels
from .strips import resize_scores
from .view_scores import Frame, view_strips
from .views import PreparedView
from .windows import window_grid

__all__ = [
    "Application",
    "Frame",
    "PreparedView",
    "View",
    "check_protocol",
    "plan_views",
    "predict_labels",
    "resize_scores",
    "view_strips",
    "window_grid",
]
