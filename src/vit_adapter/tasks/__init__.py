"""What differs between tasks, in one place each: targets, decoding, evaluator, result. All else is shared."""

from .result import Result
from .semantic import SEMANTIC
from .semantic_result import SemanticResult
from .table import TASKS
from .task import DecodeSettings, Task

__all__ = ["SEMANTIC", "TASKS", "DecodeSettings", "Result", "SemanticResult", "Task"]
