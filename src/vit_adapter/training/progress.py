"""The progress bar, time left, and one line for every validation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as lightning
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import processes
from .joint_evaluation import JointEvaluation
from .module import TrainingModule
from .time_left import TimeLeft, duration
from .validation import Validation

ESTIMATE_AFTER_SECONDS = 20.0
"""When the time of the whole run is shown, once; shorter runs need no estimate."""

PLAIN_LINES, SECONDS_BETWEEN_LINES = 20, 5.0
"""Lines in a run that has no terminal to draw a bar on, and the shortest time between two."""

Listener = Callable[[int, int], None]


class ProgressBar(lightning.Callback):
    """Step, losses, time left, on the first process. Without a terminal: a line now and then.

    Args:
        console: Where to draw.
        validation: Whose scores are shown.
        quiet: No bar, no times; lines of validations are printed all the same.
        clock: Seconds; they may begin anywhere.
    """

    def __init__(
        self,
        console: Console,
        validation: Validation | None,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self.validation, self.quiet, self.clock = console, validation, quiet, clock
        self._progress: Progress | None = None
        self._task: Any = None
        self._left: TimeLeft | None = None
        self._started = self._before = self._said = 0.0
        self._estimated = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar."""
        assert isinstance(pl_module, TrainingModule)
        if self.quiet or processes.rank() != 0:
            return
        steps = pl_module.schedule.steps
        plan = None if self.validation is None else self.validation.plan
        self._left = TimeLeft(steps, pl_module.step, plan)
        self._started = self._before = self._said = self.clock()
        if not self.console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("{task.fields[what]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", style="progress.remaining"),
            console=self.console,
        )
        self._task = self._progress.add_task(
            "", total=steps, completed=pl_module.step, what="training", figures="", left=""
        )
        self._progress.start()
        if self.validation is not None and isinstance(self.validation.evaluate, JointEvaluation):
            self.validation.evaluate.listener = self._validating

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
        validated = self.validation is not None and self.validation.scores is not None
        self._keep_time()
        if self._progress is not None:
            losses = {name: value for name, value in pl_module.figures.items() if "loss" in name}
            figures = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            left = self._time_left()
            self._progress.update(
                self._task, completed=pl_module.step, figures=figures, what="training", left=left
            )
        elif self._left is not None and not validated:
            self._plain_line(pl_module)
        if validated:
            self._validation_lines(pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        self._stop()

    def _keep_time(self) -> None:
        """Time the step, and say once how long everything will take."""
        if self._left is None:
            return
        now, validating = self.clock(), 0.0
        if self.validation is not None and self.validation.scores is not None:
            validating, plan = self.validation.seconds, self.validation.plan
            self._left.validation_done(plan.sample or plan.images, validating)
        self._left.step_done(max(0.0, now - self._before - validating))
        self._before = now
        late = 2 * (self._left.step - self._left.first_step) > self._left.steps - self._left.first_step
        if not self._estimated and now - self._started >= ESTIMATE_AFTER_SECONDS and self._left.timed_steps:
            self._estimated = True
            if late:  # the end is in sight
                return
            for line in self._left.estimate():
                self._print(line)

    def _time_left(self) -> str:
        seconds = None if self._left is None else self._left.seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def _plain_line(self, module: TrainingModule) -> None:
        steps = module.schedule.steps
        now = self.clock()
        if now - self._said < SECONDS_BETWEEN_LINES:
            return
        if module.step % max(1, steps // PLAIN_LINES) == 0 and module.step < steps:
            self._said, left = now, self._time_left()
            self._print(
                f"step {module.step}/{steps}  loss {module.figures['loss']:.4f}" + (left and f"  {left}")
            )

    def _validation_lines(self, module: TrainingModule) -> None:
        assert self.validation is not None
        assert self.validation.scores is not None
        scores, state, plan = self.validation.scores, self.validation.state, self.validation.plan
        best = "" if state.best_score is None else f"  best {state.best_score:.4f} at {state.best_step}"
        self._print(
            f"step {module.step}/{module.schedule.steps}  loss {module.figures['loss']:.4f}  "
            f"{plan.score_name} {scores[plan.headline]:.4f}{best}"
        )
        if state.stopped:
            self._print(f"stopped early: no better {plan.headline} in {state.waited} validations")

    def _validating(self, done: int, images: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, what=f"validating, image {done} of {images}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@contextmanager
def evaluation_progress(console: Console, quiet: bool) -> Iterator[Callable[[int], Listener | None]]:
    """For the evaluation at the end: a bar where there is a terminal, one line otherwise, nothing when quiet.

    Gives a function that is called with the number of images and returns what is told (done, in all).
    """
    progress: Progress | None = None

    def announce(images: int) -> Listener | None:
        nonlocal progress
        if quiet or processes.rank() != 0:
            return None
        text = f"measuring the best model on all {images} images"
        if not console.is_terminal:
            console.print(text, highlight=False)
            return None
        progress = Progress(
            TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        task = progress.add_task("", total=images)
        progress.start()
        bar = progress
        return lambda done, total: bar.update(task, completed=done, total=total)

    try:
        yield announce
    finally:
        if progress is not None:
            progress.stop()
