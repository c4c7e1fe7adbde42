"""What a run writes down: ``metrics.csv``, TensorBoard, ``curves.png``."""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.files import system_reason

from . import processes
from .metrics_table import MetricsTable
from .run_state import RunState
from .validation import Validation
from .validation_plan import ValidationPlan

RECORDED_STEPS = 2000
SECONDS_BETWEEN_DRAWINGS = 30.0


class Recording:
    """Writes the figures of a step, on the first process; all of them in runs of up to 2000 steps.

    Args:
        folder: The run's folder.
        plan: How long the run is, and what its scores are of.
        validation: Whose example images are recorded; None: there is none.
        first_step: Steps done before; later rows and curves are cut off.
    """

    def __init__(
        self,
        folder: Path,
        plan: ValidationPlan,
        validation: Validation | None,
        first_step: int = 0,
    ) -> None:
        self.folder, self.plan, self.validation = folder, plan, validation
        self.every, self.first_step = max(1, plan.steps // RECORDED_STEPS), first_step
        self.table: MetricsTable | None = None
        self.board: Any = None
        self._drawn = -math.inf

    def open(self) -> None:
        """Open the files; every process calls it."""
        processes.on_first_process(self._open)

    def _open(self) -> None:
        self.table = MetricsTable(self.folder, self.first_step)
        self._open_board(self.first_step + 1)

    def _open_board(self, first_step: int | None = None) -> None:
        """Go on in the files of curves, without what they hold from a step on."""
        from torch.utils.tensorboard import SummaryWriter

        try:
            self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=first_step)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {system_reason(error)}") from error

    def begin(self, scores: dict[str, float] | None) -> None:
        """Add the scores of a validation that had been interrupted to the row of its step."""
        named = self._named(scores)
        if named and self.table is not None:
            self.table.fill(self.first_step, named)
            self._write_board(self.first_step, {}, named)

    def add(self, state: RunState, figures: dict[str, float], scores: dict[str, float] | None) -> None:
        """Record the step just done if it is one to be recorded.

        Args:
            state: Where the run stands; it is told of a file that cannot be written.
            figures: Of the step.
            scores: Of the validation after it; None: there was none.
        """
        step, named = state.step, self._named(scores)
        if self.table is None or not (named or step % self.every == 0 or step == state.steps):
            return
        try:
            self.table.add(step, figures | named)
            if not (self.folder / "tensorboard").is_dir():  # deleted while the run wrote into it
                self._close_board()
                self._open_board(step)
            self._write_board(step, figures, named)
            if named and time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
                self._draw_curves()
        except InputError as error:
            state.local_trouble = str(error)
        except OSError as error:
            state.local_trouble = f"{self.folder}: cannot be written: {system_reason(error)}"

    def finish(self) -> None:
        """Draw the curves a last time."""
        if self.table is not None:
            self._draw_curves()

    def close(self) -> None:
        """Close the files."""
        if self.table is not None:
            self.table.close()
        self._close_board()

    def add_final(self, step: int, scores: dict[str, float]) -> None:
        """Record the scores of all images of the best model, beside those of a sample.

        Args:
            step: Of the best model.
            scores: Of all images, by name.

        Raises:
            InputError: A file cannot be written.
        """
        assert self.table is not None
        self.table.fill(step, scores)
        self._open_board()
        self._write_scores(step, scores)
        self._draw_curves()
        self.close()

    def _named(self, scores: dict[str, float] | None) -> dict[str, float]:
        """Scores of a sample say so in their names."""
        return {name + self.plan.sample_ending: value for name, value in (scores or {}).items()}

    def _write_board(self, step: int, figures: dict[str, float], scores: dict[str, float]) -> None:
        for name, value in figures.items():
            self.board.add_scalar(f"training/{name}", value, step)
        self._write_scores(step, scores)
        if scores and self.validation is not None:
            for index, image in enumerate(self.validation.evaluate.examples):
                self.board.add_image(f"validation/example {index}", image, step, dataformats="HWC")

    def _write_scores(self, step: int, scores: dict[str, float]) -> None:
        for name, value in scores.items():
            self.board.add_scalar(f"validation/{name}", value, step)

    def _draw_curves(self) -> None:
        from vit_adapter.visualization.curves import plot_curves

        assert self.table is not None
        if not self.table.rows:
            return
        plan, name = self.plan, self.plan.score_name
        series = {"loss": self.table.column("loss"), "mIoU": self.table.column(name)}
        history = [
            {"step": step, kind: value} for kind, points in series.items() for step, value in zip(*points)
        ]
        final = ([], []) if plan.sample is None else self.table.column(plan.headline)
        plot_curves(
            history,
            self.folder / "curves.png",
            self.folder.name,
            score_name=name,
            final=(final[0][-1], final[1][-1], f"all {plan.images} images") if final[0] else None,
        )
        self._drawn = time.monotonic()

    def _close_board(self) -> None:
        if self.board is not None:
            with suppress(OSError):  # on a full disk; the run ends with a line about it
                self.board.close()
            self.board = None
