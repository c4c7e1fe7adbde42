"""How good a model is: exact counts, scores, tables and pictures."""

from .example_sheet import write_example_sheet
from .loop import EvaluationResult, PictureScore, evaluate
from .metrics import ConfusionMatrix
from .provenance import provenance
from .report import print_table, score_table, write_report
from .scores import Scores
from .worst_pictures import write_worst_pictures

__all__ = [
    "ConfusionMatrix",
    "EvaluationResult",
    "PictureScore",
    "Scores",
    "evaluate",
    "print_table",
    "provenance",
    "score_table",
    "write_example_sheet",
    "write_report",
    "write_worst_pictures",
]
