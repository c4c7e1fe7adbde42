"""How long a run will take, from what its steps and validations took so far."""

from collections import deque

from vit_adapter.config.counting import counted

from .validation_plan import ValidationPlan

RECENT_STEPS = 50
"""Whose mean is the speed of the run."""

LONG_SECONDS = 2 * 3600.0
"""From this length on, a run says how it could be shorter."""


class TimeLeft:
    """Steps and validations are timed apart, so that a validation does not make the steps look slow.

    Args:
        plan: How long the run is, when and on what it validates.
        first_step: Steps done before.
    """

    def __init__(self, plan: ValidationPlan, first_step: int) -> None:
        self.plan, self.first_step, self.step = plan, first_step, first_step
        self._recent: deque[float] = deque(maxlen=RECENT_STEPS)
        self._image_seconds: float | None = None

    def step_done(self, seconds: float) -> None:
        """Note a step's time, validation not counted. The first of a process is left out: it warms up."""
        self.step += 1
        if self.step > self.first_step + 1:
            self._recent.append(seconds)

    def validation_done(self, images: int, seconds: float) -> None:
        """Note a validation's time."""
        if images:
            self._image_seconds = seconds / images

    @property
    def timed_steps(self) -> int:
        """Steps whose time is known."""
        return len(self._recent)

    def step_seconds(self) -> float | None:
        """Seconds of a step; None before two are done."""
        return sum(self._recent) / len(self._recent) if self._recent else None

    def validation_seconds(self, from_step: int) -> float:
        """Seconds of the validations after a step, the last one of all images among them; estimated by the number
        of windows before the first is done."""
        image = self._image_seconds
        if image is None:
            image = (self.plan.image_cost or 0.0) * (self.step_seconds() or 0.0)
        return image * self.plan.images_after(from_step)

    def seconds_left(self) -> float | None:
        """Seconds until the run is over; None before two steps are done."""
        each = self.step_seconds()
        if each is None:
            return None
        return each * (self.plan.steps - self.step) + self.validation_seconds(self.step)

    def estimate(self) -> list[str]:
        """The time of the whole call as lines for the user; none before two steps are done."""
        each = self.step_seconds()
        if each is None:
            return []
        to_do, validation = self.plan.steps - self.first_step, self.validation_seconds(self.first_step)
        total = each * to_do + validation
        text = f"about {duration(total)} for {to_do} steps"
        if validation >= 1:
            text += f", of which validation {duration(validation)}"
        if total < LONG_SECONDS:
            return [text]
        return [
            f"{text}; shorter: fewer training.steps, a smaller data.augmentation.crop, --model.vit.frozen vit, "
            "or a GPU; Ctrl-C ends it with a checkpoint that --resume takes up"
        ]


def duration(seconds: float) -> str:
    """A time in words: "40 seconds", "9 minutes", "3.5 hours", "2.1 days"."""
    if seconds < 90:
        return counted(round(seconds), "second")
    if seconds < 90 * 60:
        return counted(round(seconds / 60), "minute")
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
