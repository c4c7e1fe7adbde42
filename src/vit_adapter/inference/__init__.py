"""How a model is applied to images: views, windows, merging, labels and results. Arrays and callables, no model."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .application import Application
    from .augmentation import PlannedView, check_protocol, plan_views
    from .grid import window_grid
    from .many_images import predict_labels
    from .strips import resize_scores
    from .view_scores import ScoreFrame, view_strips
    from .views import PreparedView

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Application": "application",
        "ScoreFrame": "view_scores",
        "PreparedView": "views",
        "PlannedView": "augmentation",
        "check_protocol": "augmentation",
        "plan_views": "augmentation",
        "predict_labels": "many_images",
        "resize_scores": "strips",
        "view_strips": "view_scores",
        "window_grid": "grid",
    },
)
__all__ = [
    "Application",
    "PlannedView",
    "PreparedView",
    "ScoreFrame",
    "check_protocol",
    "plan_views",
    "predict_labels",
    "resize_scores",
    "view_strips",
    "window_grid",
]
