"""What a run writes down: ``metrics.csv``, TensorBoard, ``curves.png``."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.files import system_reason

from . import processes
from .metrics_table import MetricsTable
from .module import TrainingModule
from .validation import Validation

Examples = Callable[[Any], list[np.ndarray]]
"""Model to pictures (uint8 [H, W, 3]) that show what it does on a few validation pictures."""

RECORDED_STEPS = 2000
SECONDS_BETWEEN_DRAWINGS = 30.0


class Recording(lightning.Callback):
    """Writes the figures of a step, on the first process; all of them in runs of up to 2000 steps.

    Args:
        folder: The run's folder.
        steps: Length of the run.
        validation: Whose scores are recorded with the step's losses.
        examples: Pictures for TensorBoard at every validation.
        first_step: Steps done before; later rows and curves are cut off.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        validation: Validation | None,
        examples: Examples | None = None,
        first_step: int = 0,
    ) -> None:
        self.folder, self.validation, self.examples = folder, validation, examples
        self.every, self.first_step = max(1, steps // RECORDED_STEPS), first_step
        self.table: MetricsTable | None = None
        self.board: Any = None
        self._drawn = -math.inf

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the files."""
        processes.on_first_process(self._open)

    def _open(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.table = MetricsTable(self.folder, self.first_step)
        try:
            self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.first_step + 1)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {system_reason(error)}") from error

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
        scores = self.validation.scores if self.validation is not None else None
        step = pl_module.step
        if self.table is None or not (scores or step % self.every == 0 or step == pl_module.schedule.steps):
            return
        try:
            self.table.add(step, pl_module.figures | (scores or {}))
            self._write_board(step, pl_module.figures, scores, pl_module.segmenter)
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

    def _write_board(self, step: int, figures: dict[str, float], scores: Any, model: Any) -> None:
        for name, value in figures.items():
            self.board.add_scalar(f"training/{name}", value, step)
        for name, value in (scores or {}).items():
            self.board.add_scalar(f"validation/{name}", value, step)
        if scores and self.examples is not None:
            model.eval()
            for index, picture in enumerate(self.examples(model)):
                self.board.add_image(f"validation/example {index}", picture, step, dataformats="HWC")
            model.train()

    def _draw_curves(self) -> None:
        from vit_adapter.visualization.curves import plot_curves

        assert self.table is not None
        if not self.table.rows:
            return
        history = [
            {name: float(value) for name, value in row.items() if value and name in ("step", "loss", "mIoU")}
            for row in self.table.rows
        ]
        plot_curves(history, self.folder / "curves.png", self.folder.name)
        self._drawn = time.monotonic()

    def _close(self) -> None:
        if self.table is not None:
            self.table.close()
        if self.board is not None:
            with suppress(OSError):  # on a full disk; the run ends with a line about it
                self.board.close()
            self.board = None
