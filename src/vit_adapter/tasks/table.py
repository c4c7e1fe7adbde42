"""Every task by its name."""

from vit_adapter.config import TaskName
from vit_adapter.metrics import InstanceEvaluator, PanopticEvaluator, SemanticEvaluator

from .detection import DETECTION
from .detection_result import DetectionResult
from .instance import INSTANCE
from .instance_result import InstanceResult
from .panoptic import PANOPTIC
from .panoptic_result import PanopticResult
from .semantic import SEMANTIC
from .semantic_result import SemanticResult
from .task import Task

AnyTask = (
    Task[SemanticResult, SemanticEvaluator]
    | Task[InstanceResult, InstanceEvaluator]
    | Task[PanopticResult, PanopticEvaluator]
    | Task[DetectionResult, InstanceEvaluator]
)
"""One of the tasks."""

TASKS: dict[TaskName, AnyTask] = {task.name: task for task in (SEMANTIC, INSTANCE, PANOPTIC, DETECTION)}
