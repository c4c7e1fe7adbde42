"""What a run writes down: ``metrics.csv``, TensorBoard, ``curves.png``."""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning

from vit_adapter.config import InputError
from vit_adapter.config.files import system_reason
from vit_adapter.metrics import SemanticEvaluator

from . import processes
from .joint_evaluation import JointEvaluation
from .metrics_table import MetricsTable
from .module import TrainingModule
from .validation import Validation

RECORDED_STEPS = 2000
SECONDS_BETWEEN_DRAWINGS = 30.0


class Recording(lightning.Callback):
    """Writes the figures of a step, on the first process; all of them in runs of up to 2000 steps.

    Args:
        folder: The run's folder.
        steps: Length of the run.
        validation: Whose scores are recorded with the step's losses.
        evaluation: Whose example images TensorBoard shows after every validation.
        first_step: Steps done before; later rows and curves are cut off.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        validation: Validation | None,
        evaluation: JointEvaluation | None = None,
        first_step: int = 0,
    ) -> None:
        self.folder, self.validation, self.evaluation = folder, validation, evaluation
        self.every, self.first_step = max(1, steps // RECORDED_STEPS), first_step
        self.table: MetricsTable | None = None
        self.board: Any = None
        self._drawn = -math.inf

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the files."""
        processes.on_first_process(self._open)

    def _open(self) -> None:
        self.table = MetricsTable(self.folder, self.first_step)
        self._open_board(self.first_step + 1)

    def _open_board(self, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        try:
            self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=first_step)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {system_reason(error)}") from error

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the scores of a validation that had been interrupted to the row of its step."""
        scores = self._named_scores()
        if scores and self.table is not None:
            self.table.amend(scores)
            self._write_board(self.first_step, {}, scores)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the step if it is one to be recorded."""
        assert isinstance(pl_module, TrainingModule)
        scores = self._named_scores()
        step = pl_module.step
        if self.table is None or not (scores or step % self.every == 0 or step == pl_module.schedule.steps):
            return
        try:
            self.table.add(step, pl_module.figures | scores)
            if not (self.folder / "tensorboard").is_dir():  # deleted while the run wrote into it
                self._close_board()
                self._open_board(step)
            self._write_board(step, pl_module.figures, scores)
            if scores and time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
                self._draw_curves()
        except InputError as error:
            pl_module.local_trouble = str(error)
        except OSError as error:
            pl_module.local_trouble = f"{self.folder}: cannot be written: {system_reason(error)}"

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw the curves a last time and close."""
        if self.table is not None:
            self._draw_curves()
        self._close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Close."""
        self._close()

    def add_final(self, step: int, scores: dict[str, float]) -> None:
        """Record the scores of all images of the best model, beside those of a sample.

        Args:
            step: Of the best model.
            scores: Of all images, by name.

        Raises:
            InputError: A file cannot be written.
        """
        from torch.utils.tensorboard import SummaryWriter

        assert self.table is not None
        self.table.fill(step, scores)
        try:
            with SummaryWriter(str(self.folder / "tensorboard")) as board:
                for name, value in scores.items():
                    board.add_scalar(f"validation/{name}", value, step)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {system_reason(error)}") from error
        self._draw_curves()
        self._close()

    def _named_scores(self) -> dict[str, float]:
        """Scores of the step just done; those of a sample say so in their names."""
        if self.validation is None or self.validation.scores is None:
            return {}
        ending = self.validation.plan.sample_ending
        return {name + ending: value for name, value in self.validation.scores.items()}

    def _write_board(self, step: int, figures: dict[str, float], scores: dict[str, float]) -> None:
        for name, value in figures.items():
            self.board.add_scalar(f"training/{name}", value, step)
        for name, value in scores.items():
            self.board.add_scalar(f"validation/{name}", value, step)
        if scores and self.evaluation is not None:
            for index, image in enumerate(self.evaluation.examples):
                self.board.add_image(f"validation/example {index}", image, step, dataformats="HWC")

    def _draw_curves(self) -> None:
        from vit_adapter.visualization.curves import plot_curves

        assert self.table is not None
        if not self.table.rows:
            return
        plan = None if self.validation is None else self.validation.plan
        headline = SemanticEvaluator.headline if plan is None else plan.headline
        name = headline if plan is None else plan.score_name
        series = {"loss": self.table.column("loss"), "mIoU": self.table.column(name)}
        history = [
            {"step": step, kind: value} for kind, points in series.items() for step, value in zip(*points)
        ]
        final = self.table.column(headline) if plan is not None and plan.sample is not None else ([], [])
        plot_curves(
            history,
            self.folder / "curves.png",
            self.folder.name,
            score_name=name,
            final=(final[0][-1], final[1][-1], f"all {plan.images} images") if plan and final[0] else None,
        )
        self._drawn = time.monotonic()

    def _close(self) -> None:
        if self.table is not None:
            self.table.close()
        self._close_board()

    def _close_board(self) -> None:
        if self.board is not None:
            with suppress(OSError):  # on a full disk; the run ends with a line about it
                self.board.close()
            self.board = None
