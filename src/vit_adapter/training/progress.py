"""The progress bar, time left, and one line for every validation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from vit_adapter.config.progress_bar import ProgressBar

from . import processes
from .printing import print_lines
from .time_left import TimeLeft, duration
from .validation import Validation
from .validation_plan import ValidationPlan

ESTIMATE_AFTER_SECONDS = 20.0
"""When the time of the whole run is shown, once; shorter runs need no estimate."""

PLAIN_LINES, SECONDS_BETWEEN_LINES = 20, 5.0
"""Lines in a run that has no terminal to draw a bar on, and the shortest time between two."""

Listener = Callable[[int, int], None]


class TrainingProgress:
    """Step, losses, time left, on the first process. Without a terminal: a line now and then.

    Args:
        console: Where to draw.
        plan: How long the run is, when and on what it validates.
        validation: Whose scores are shown; None: there is none.
        quiet: No bar, no times; lines of validations are printed all the same.
        clock: Seconds; they may begin anywhere.
    """

    def __init__(
        self,
        console: Console,
        plan: ValidationPlan,
        validation: Validation | None,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self.plan, self.validation = console, plan, validation
        self.quiet, self.clock = quiet, clock
        self._bar: ProgressBar | None = None
        self._left: TimeLeft | None = None
        self._started = self._before = self._said = 0.0
        self._estimated = False

    def begin(self, step: int) -> None:
        """Show the bar, so many steps being done."""
        if self.quiet or processes.rank() != 0:
            return
        self._left = TimeLeft(self.plan, step)
        self._started = self._before = self._said = self.clock()
        if not self.console.is_terminal:
            return
        self._bar = ProgressBar(
            "training", self.plan.steps, done=step, own_estimate=True, console=self.console
        )
        self._bar.begin()
        if self.validation is not None:
            self.validation.evaluate.listener = self._validating

    def step_done(self, step: int, figures: dict[str, float], scores: dict[str, float] | None) -> None:
        """Move it on.

        Args:
            step: Steps done.
            figures: Of the last one.
            scores: Of the validation after it; None: there was none.
        """
        if processes.rank() != 0:
            return
        self._keep_time(scores is not None)
        if self._bar is not None:
            losses = {name: value for name, value in figures.items() if "loss" in name}
            text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            self._bar.update(step, what="training", figures=text, left=self._time_left())
        elif self._left is not None and scores is None:
            self._plain_line(step, figures["loss"])
        if scores is not None:
            self._validation_lines(step, figures["loss"], scores)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.end()
            self._bar = None

    def _keep_time(self, validated: bool) -> None:
        """Time the step, and say once how long everything will take."""
        if self._left is None:
            return
        now, validating = self.clock(), 0.0
        if validated and self.validation is not None:
            validating = self.validation.seconds
            self._left.validation_done(self.plan.sample or self.plan.images, validating)
        self._left.step_done(max(0.0, now - self._before - validating))
        self._before = now
        late = 2 * (self._left.step - self._left.first_step) > self.plan.steps - self._left.first_step
        if not self._estimated and now - self._started >= ESTIMATE_AFTER_SECONDS and self._left.timed_steps:
            self._estimated = True
            if late:  # the end is in sight
                return
            for line in self._left.estimate():
                self._print(line)

    def _time_left(self) -> str:
        seconds = None if self._left is None else self._left.seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def _plain_line(self, step: int, loss: float) -> None:
        now = self.clock()
        if now - self._said < SECONDS_BETWEEN_LINES:
            return
        steps = self.plan.steps
        if step % max(1, steps // PLAIN_LINES) == 0 and step < steps:
            self._said, left = now, self._time_left()
            self._print(f"step {step}/{steps}  loss {loss:.4f}" + (left and f"  {left}"))

    def _validation_lines(self, step: int, loss: float, scores: dict[str, float]) -> None:
        assert self.validation is not None
        state, plan = self.validation.state, self.plan
        best = "" if state.best_score is None else f"  best {state.best_score:.4f} at {state.best_step}"
        self._print(
            f"step {step}/{plan.steps}  loss {loss:.4f}  {plan.score_name} {scores[plan.headline]:.4f}{best}"
        )
        if state.stopped:
            self._print(f"stopped early: no better {plan.headline} in {state.waited} validations")

    def _validating(self, done: int, images: int) -> None:
        if self._bar is not None:
            self._bar.update(what=f"validating, image {done} of {images}")

    def _print(self, line: str) -> None:
        print_lines(self.console, [line])


@contextmanager
def evaluation_progress(console: Console, images: int, quiet: bool) -> Iterator[Listener | None]:
    """For the evaluation at the end: a bar where there is a terminal, one line otherwise, nothing when quiet.

    Gives what is to be called with (images done, images in all).
    """
    text = f"measuring the best model on all {images} images"
    told = not quiet and processes.rank() == 0
    if told and not console.is_terminal:
        console.print(text, highlight=False)
    with ProgressBar(text, images, shown=told and console.is_terminal, console=console) as bar:
        yield bar.update if bar.shown else None
