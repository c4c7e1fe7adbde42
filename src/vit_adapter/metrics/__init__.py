"""How good a prediction is: exact counts, and the scores made of them. Arrays only, no model and no data set."""

from .confusion_matrix import ConfusionMatrix
from .evaluator import Evaluator, State
from .instances import InstanceEvaluator
from .panoptic import PanopticEvaluator, SegmentCounts, compare_segments
from .scores import ClassScores, Scores
from .semantic import SemanticEvaluator

__all__ = [
    "ClassScores",
    "ConfusionMatrix",
    "Evaluator",
    "InstanceEvaluator",
    "PanopticEvaluator",
    "Scores",
    "SegmentCounts",
    "SemanticEvaluator",
    "State",
    "compare_segments",
]
