"""A feature pyramid from any plain Vision Transformer, and dense prediction on it."""

from typing import TYPE_CHECKING

from .config.lazy import lazy_names
from .config.random_state import random_state_kept

with random_state_kept():
    import rich.style  # noqa: F401 (it draws a random number when it is first imported)

if TYPE_CHECKING:
    from .api import build, evaluate, load, predict, train
    from .backbones import UniPerceiver, ViTAdapter, ViTPyramid
    from .config import FCNConfig, InputError, Mask2FormerConfig, UPerNetConfig, ViTConfig
    from .segmenter import Segmenter
    from .tasks import Result, SemanticResult
    from .zoo import list_recipes

_HOMES = {
    "FCNConfig": "config",
    "InputError": "config",
    "Mask2FormerConfig": "config",
    "Result": "tasks",
    "Segmenter": "segmenter",
    "SemanticResult": "tasks",
    "UPerNetConfig": "config",
    "UniPerceiver": "backbones",
    "ViTAdapter": "backbones",
    "ViTConfig": "config",
    "ViTPyramid": "backbones",
    "build": "api",
    "evaluate": "api",
    "list_recipes": "zoo",
    "load": "api",
    "predict": "api",
    "train": "api",
}

__all__ = [
    "FCNConfig",
    "InputError",
    "Mask2FormerConfig",
    "Result",
    "Segmenter",
    "SemanticResult",
    "UPerNetConfig",
    "UniPerceiver",
    "ViTAdapter",
    "ViTConfig",
    "ViTPyramid",
    "build",
    "evaluate",
    "list_recipes",
    "load",
    "predict",
    "train",
]


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
