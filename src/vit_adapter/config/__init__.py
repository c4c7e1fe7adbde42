"""Frozen dataclasses with ranges and units. No torch here: ``--help`` answers at once, every room may read them."""

from .class_table import ClassTable
from .data import MAX_PIXELS, AugmentationConfig, DataConfig
from .errors import InputError
from .evaluation import EvaluationConfig
from .model import Mask2FormerConfig, ModelConfig
from .plain import from_plain, to_plain
from .protocol import Normalization, Protocol, changed_protocol
from .run import RunConfig
from .task import ScoresAre, TaskName
from .training import TrainingConfig

__all__ = [
    "MAX_PIXELS",
    "AugmentationConfig",
    "ClassTable",
    "DataConfig",
    "EvaluationConfig",
    "InputError",
    "Mask2FormerConfig",
    "ModelConfig",
    "Normalization",
    "Protocol",
    "RunConfig",
    "ScoresAre",
    "TaskName",
    "TrainingConfig",
    "changed_protocol",
    "from_plain",
    "to_plain",
]
