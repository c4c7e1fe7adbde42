"""How good a model is: exact counts, scores, tables and images."""

from .example_sheet import write_example_sheet
from .loop import EvaluationResult, ImageScore, measure
from .provenance import provenance
from .report import print_table, score_table, write_report
from .worst_images import write_worst_images

__all__ = [
    "EvaluationResult",
    "ImageScore",
    "measure",
    "print_table",
    "provenance",
    "score_table",
    "write_example_sheet",
    "write_report",
    "write_worst_images",
]
