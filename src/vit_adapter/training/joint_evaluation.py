"""Validation shared among processes: each evaluates its part of the pictures, the counts are added up."""

from collections.abc import Callable
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.evaluation.metrics import ConfusionMatrix

from . import processes


class DatasetPart:
    """Every ``processes``-th of the first ``limit`` pictures of a data set, beginning with number ``rank``."""

    def __init__(self, dataset: Any, rank: int, count: int, limit: int | None = None) -> None:
        self.dataset, self.classes, self.config = dataset, dataset.classes, dataset.config
        self._indices = range(rank, len(dataset) if limit is None else min(limit, len(dataset)), count)
        self.names = [dataset.names[index] for index in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, index: int) -> Any:
        """Picture and labels."""
        return self.dataset.read(self._indices[index])


def joint_scores(count: Callable[[], ConfusionMatrix]) -> dict[str, float]:
    """Scores from the counts of all processes together, never an average of their scores (S52).

    Args:
        count: Evaluates this process's part of the pictures.

    Returns:
        "mIoU", "mAcc" and "aAcc", 0..1, the same in all processes.

    Raises:
        InputError: A process met a file that cannot be used; all of them stop.
    """
    matrix, error = None, None
    try:
        matrix = count()
    except InputError as problem:
        error = str(problem)
    errors = [message for message in processes.gather(error) if message is not None]
    if errors:
        processes.stop_together(errors[0])
    assert matrix is not None
    total = ConfusionMatrix.from_state(sum(processes.gather(matrix.state)), matrix.ignore_index)
    scores = total.scores()
    return {"mIoU": float(scores.mIoU), "mAcc": float(scores.mAcc), "aAcc": float(scores.aAcc)}
