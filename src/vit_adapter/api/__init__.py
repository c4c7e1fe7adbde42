"""What a user does, as plain functions; the command line calls the same. The rooms are combined here."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from vit_adapter.zoo import list_recipes

    from .benchmark import bench
    from .checking import check_data
    from .demonstration import demo
    from .evaluating import evaluate
    from .exporting import export
    from .models import build, choose_device, load
    from .operators import describe_forms
    from .predicting import predict
    from .published import export_official, import_official
    from .training import train
    from .video_prediction import predict_video

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "bench": "benchmark",
        "build": "models",
        "check_data": "checking",
        "choose_device": "models",
        "demo": "demonstration",
        "describe_forms": "operators",
        "evaluate": "evaluating",
        "export": "exporting",
        "export_official": "published",
        "import_official": "published",
        "list_recipes": ".zoo",
        "load": "models",
        "predict": "predicting",
        "predict_video": "video_prediction",
        "train": "training",
    },
)
__all__ = [
    "bench",
    "build",
    "check_data",
    "choose_device",
    "demo",
    "describe_forms",
    "evaluate",
    "export",
    "export_official",
    "import_official",
    "list_recipes",
    "load",
    "predict",
    "predict_video",
    "train",
]
