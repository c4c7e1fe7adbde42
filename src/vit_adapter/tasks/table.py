"""Every task by its name."""

from vit_adapter.config import TaskName
from vit_adapter.metrics import SemanticEvaluator

from .semantic import SEMANTIC
from .semantic_result import SemanticResult
from .task import Task

TASKS: dict[TaskName, Task[SemanticResult, SemanticEvaluator]] = {task.name: task for task in (SEMANTIC,)}
