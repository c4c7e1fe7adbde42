"""Where a run stands."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class RunState:
    """What the parts of a run tell each other.

    Attributes:
        step: Steps done.
        steps: Length of the run.
        stop_agreed: Some process was asked to stop; all know it and end after this step.
        stopped_early: Validation found nothing better for long enough.
        local_trouble: What this process alone cannot go on with (a file it could not write): all stop at the next step.
        last_checkpoint: The newest one in words; None before the first.
        saved_step: Of the last checkpoint that this call wrote; None before the first.
        replaced: Images that this process could not decode, and why.
        remedy: Settings with which a run that diverged may be continued.
    """

    step: int
    steps: int
    stop_agreed: bool = False
    stopped_early: bool = False
    local_trouble: str | None = None
    last_checkpoint: str | None = None
    saved_step: int | None = None
    replaced: dict[str, str] = field(default_factory=dict)
    remedy: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """No further step is to be done."""
        return self.step >= self.steps or self.stop_agreed or self.stopped_early

    def saved(self, file: Path) -> None:
        """Note that a checkpoint of this step was written."""
        self.last_checkpoint, self.saved_step = f"{file} (step {self.step})", self.step
