"""What differs between tasks, in one place each: targets, decoding, evaluator, result. All else is shared."""

from .instance import INSTANCE
from .instance_result import InstanceResult
from .panoptic import PANOPTIC
from .panoptic_result import PanopticResult
from .result import Result
from .semantic import SEMANTIC
from .semantic_result import SemanticResult
from .table import TASKS, AnyTask
from .task import Answers, DecodeSettings, Task, TrainingTruth

__all__ = [
    "INSTANCE",
    "PANOPTIC",
    "SEMANTIC",
    "TASKS",
    "Answers",
    "AnyTask",
    "DecodeSettings",
    "InstanceResult",
    "PanopticResult",
    "Result",
    "SemanticResult",
    "Task",
    "TrainingTruth",
]
