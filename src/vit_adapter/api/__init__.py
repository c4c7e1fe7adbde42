"""What a user does, as plain functions; the command line calls the same. The rooms are combined here."""

from vit_adapter.ops import describe_forms
from vit_adapter.zoo import list_recipes

from .checking import check_data
from .demonstration import demo
from .evaluating import evaluate
from .models import build, choose_device, load
from .predicting import predict
from .published import export_official, import_official
from .training import train

__all__ = [
    "build",
    "check_data",
    "choose_device",
    "demo",
    "describe_forms",
    "evaluate",
    "export_official",
    "import_official",
    "list_recipes",
    "load",
    "predict",
    "train",
]
