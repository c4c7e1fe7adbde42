"""The published learning-rate schedules, each with a linear warm-up on top (behaviour 86, and those of detection)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from vit_adapter.config import InputError, TrainingConfig

PUBLISHED_WARMUP = 1500
MILESTONE_FACTOR = 0.1


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a function of the step alone, so that a resumed run needs no memory of it.

    Attributes:
        steps: Length of the run; the rate is ``minimum`` there.
        warmup_steps: Steps of the linear warm-up, 0: none.
        warmup_ratio: Factor at step 0 when there is a warm-up.
        power: Exponent of the decay.
        minimum: Rate at the end, the same for every group.
        shape: How the rate falls; ``power`` and ``minimum`` are of "polynomial".
        milestones: Of "steps": where it falls to a tenth.
        cosine_every: Of "cosine": steps between two changes.
        cosine_floor: Of "cosine": share of the rate at the end.
    """

    steps: int
    warmup_steps: int = 0
    warmup_ratio: float = 1e-6
    power: float = 1.0
    minimum: float = 0.0
    shape: Literal["polynomial", "steps", "cosine"] = "polynomial"
    milestones: tuple[int, ...] = ()
    cosine_every: int = 1
    cosine_floor: float = 0.0

    @classmethod
    def of(cls, config: TrainingConfig) -> "Schedule":
        """The schedule of a run; without a given warm-up it takes 1500 steps or a tenth of the run.

        Raises:
            InputError: The warm-up is as long as the run, or milestones are given to another schedule than "steps".
        """
        warmup = config.warmup_steps
        if warmup is None:
            warmup = min(PUBLISHED_WARMUP, config.steps // 10)
        if warmup >= config.steps:
            raise InputError(
                f"training.warmup_steps={warmup} with training.steps={config.steps}: the full learning rate would "
                "never be reached; expected a warm-up shorter than the run (leave it out for a tenth of the run)"
            )
        if config.schedule != "steps" and config.milestones:
            raise InputError(
                f"training.milestones={list(config.milestones)} with training.schedule={config.schedule!r}: expected "
                "none, or training.schedule='steps'"
            )
        return cls(
            config.steps,
            warmup,
            config.warmup_ratio,
            config.power,
            config.minimum_learning_rate,
            config.schedule,
            config.milestones,
            config.cosine_every,
            config.cosine_floor,
        )

    def rate(self, base: float, step: int) -> float:
        """Learning rate of the update number ``step`` (from 0) for a group whose undecayed rate is ``base``."""
        rate = self._scheduled(base, step)
        if step < self.warmup_steps:
            rate *= 1 - (1 - step / self.warmup_steps) * (1 - self.warmup_ratio)
        return rate

    def _scheduled(self, base: float, step: int) -> float:
        """The rate without warm-up."""
        if self.shape == "steps":
            return base * MILESTONE_FACTOR ** sum(step >= milestone for milestone in self.milestones)
        if self.shape == "cosine":
            done = min(1.0, step // self.cosine_every * self.cosine_every / self.steps)
            lowest = base * self.cosine_floor
            return lowest + 0.5 * (base - lowest) * (math.cos(math.pi * done) + 1)
        left = max(0.0, 1 - step / self.steps)
        return (base - self.minimum) * left**self.power + self.minimum

    def highest_rate(self, base: float, first_step: int = 0) -> float:
        """Largest rate of the updates from ``first_step`` on (the start block shows it, S67)."""
        # Without a warm-up the rate falls; with one it peaks inside the warm-up or right after it.
        last = min(self.warmup_steps, self.steps - 1)
        return max(
            self.rate(base, step) for step in range(min(first_step, self.steps), max(last, first_step) + 1)
        )


def set_learning_rates(parameter_groups: Iterable[dict[str, Any]], schedule: Schedule, step: int) -> None:
    """Write the rate of update ``step`` into optimiser groups; each holds its undecayed rate as "base_rate"."""
    for group in parameter_groups:
        group["lr"] = schedule.rate(group["base_rate"], step)
