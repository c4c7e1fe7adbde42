"""A feature pyramid from any plain Vision Transformer, and dense prediction on it."""

from typing import TYPE_CHECKING

from .config.lazy import lazy_names
from .config.random_state import random_state_kept

with random_state_kept():
    import rich.style  # noqa: F401 (it draws a random number when it is first imported)

if TYPE_CHECKING:
    from .api import build, evaluate, load, predict, train
    from .backbones import UniPerceiver, ViTAdapter, ViTPyramid
    from .config import (
        DataConfig,
        EvaluationConfig,
        FCNConfig,
        InferenceConfig,
        InputError,
        Mask2FormerConfig,
        ModelConfig,
        RunConfig,
        TrainingConfig,
        UPerNetConfig,
        ViTConfig,
    )
    from .segmenter import Segmenter
    from .tasks import DetectionResult, InstanceResult, PanopticResult, Result, SemanticResult
    from .zoo import get_recipe, list_recipes

_HOMES = {
    "DataConfig": "config",
    "DetectionResult": "tasks",
    "EvaluationConfig": "config",
    "FCNConfig": "config",
    "InferenceConfig": "config",
    "InputError": "config",
    "InstanceResult": "tasks",
    "Mask2FormerConfig": "config",
    "ModelConfig": "config",
    "PanopticResult": "tasks",
    "Result": "tasks",
    "RunConfig": "config",
    "Segmenter": "segmenter",
    "SemanticResult": "tasks",
    "TrainingConfig": "config",
    "UPerNetConfig": "config",
    "UniPerceiver": "backbones",
    "ViTAdapter": "backbones",
    "ViTConfig": "config",
    "ViTPyramid": "backbones",
    "build": "api",
    "evaluate": "api",
    "get_recipe": "zoo",
    "list_recipes": "zoo",
    "load": "api",
    "predict": "api",
    "train": "api",
}

__all__ = [
    "DataConfig",
    "DetectionResult",
    "EvaluationConfig",
    "FCNConfig",
    "InferenceConfig",
    "InputError",
    "InstanceResult",
    "Mask2FormerConfig",
    "ModelConfig",
    "PanopticResult",
    "Result",
    "RunConfig",
    "Segmenter",
    "SemanticResult",
    "TrainingConfig",
    "UPerNetConfig",
    "UniPerceiver",
    "ViTAdapter",
    "ViTConfig",
    "ViTPyramid",
    "build",
    "evaluate",
    "get_recipe",
    "list_recipes",
    "load",
    "predict",
    "train",
]


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
