"""What differs between tasks, in one place each: targets, decoding, evaluator, result. All else is shared."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .answers import Answers, DecodeSettings
    from .detection import DETECTION
    from .detection_result import DetectionResult
    from .instance import INSTANCE
    from .instance_result import InstanceResult
    from .panoptic import PANOPTIC
    from .panoptic_result import PanopticResult
    from .result import Result
    from .semantic import SEMANTIC
    from .semantic_result import SemanticResult
    from .table import TASKS, AnyTask
    from .task import Task, TrainingTruth

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DETECTION": "detection",
        "INSTANCE": "instance",
        "PANOPTIC": "panoptic",
        "SEMANTIC": "semantic",
        "TASKS": "table",
        "Answers": "answers",
        "AnyTask": "table",
        "DecodeSettings": "answers",
        "DetectionResult": "detection_result",
        "InstanceResult": "instance_result",
        "PanopticResult": "panoptic_result",
        "Result": "result",
        "SemanticResult": "semantic_result",
        "Task": "task",
        "TrainingTruth": "task",
    },
)
__all__ = [
    "DETECTION",
    "INSTANCE",
    "PANOPTIC",
    "SEMANTIC",
    "TASKS",
    "Answers",
    "AnyTask",
    "DecodeSettings",
    "DetectionResult",
    "InstanceResult",
    "PanopticResult",
    "Result",
    "SemanticResult",
    "Task",
    "TrainingTruth",
]
