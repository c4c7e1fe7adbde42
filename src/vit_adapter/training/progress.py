"""The progress bar, and one line for every validation."""

from typing import Any

import lightning.pytorch as lightning
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from . import processes
from .module import TrainingModule
from .validation import Validation


class ProgressBar(lightning.Callback):
    """Step, losses, time left, on the first process.

    Args:
        console: Where to draw.
        validation: Whose scores are shown.
        quiet: No bar; lines of validations are printed all the same.
    """

    def __init__(self, console: Console, validation: Validation | None, quiet: bool) -> None:
        self.console, self.validation, self.quiet = console, validation, quiet
        self._progress: Progress | None = None
        self._task: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar."""
        assert isinstance(pl_module, TrainingModule)
        if self.quiet or processes.rank() != 0 or not self.console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        steps = pl_module.schedule.steps
        self._task = self._progress.add_task("", total=steps, completed=pl_module.step, figures="")
        self._progress.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move it on."""
        assert isinstance(pl_module, TrainingModule)
        if processes.rank() != 0:
            return
        if self._progress is not None:
            losses = {name: value for name, value in pl_module.figures.items() if "loss" in name}
            figures = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            self._progress.update(self._task, completed=pl_module.step, figures=figures)
        if self.validation is not None and self.validation.scores is not None:
            scores, state = self.validation.scores, self.validation.state
            best = "" if state.best_score is None else f"  best {state.best_score:.4f} at {state.best_step}"
            self._print(
                f"step {pl_module.step}/{pl_module.schedule.steps}  loss {pl_module.figures['loss']:.4f}  "
                f"mIoU {scores['mIoU']:.4f}{best}"
            )
            if state.stopped:
                self._print(f"stopped early: no better mIoU in {state.waited} validations")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        self._stop()

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
