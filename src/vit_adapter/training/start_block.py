"""What a run prints about itself before it begins."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from vit_adapter.config import TrainingConfig
from vit_adapter.config.counting import counted

from .schedule import Schedule

PUBLISHED_BATCH = 16
"""Images in a step of nearly all published models."""


@dataclass(kw_only=True)
class StartBlock:
    """The facts, gathered from several places.

    Attributes:
        training_images: Number of them.
        validation_images: Number of them.
        class_names: In order.
        processes: Devices of all machines together.
        device: Their kind.
        operator_forms: Operator and the form of it that will run.
        notes: Further lines (resumed from ..., settings that changed).
        first_step: Steps done before.
        weights: Class weights, if there are any.
        uncounted: Labels of classes without a pixel to make an automatic weight from.
        published_batch: Images in a step of the published model; None: not reported.
        validation: When and on what the run validates; empty: never.
    """

    training_images: int
    validation_images: int
    class_names: Sequence[str]
    processes: int
    device: str
    operator_forms: dict[str, str]
    notes: list[str] = field(default_factory=list)
    first_step: int = 0
    weights: np.ndarray | None = None
    uncounted: frozenset[int] = frozenset()
    published_batch: int | None = PUBLISHED_BATCH
    validation: str = ""

    def lines(self, config: TrainingConfig, model: nn.Module, folder: str | Path) -> list[str]:
        """One line for each fact, the name first.

        Args:
            config: Settings.
            model: Whose parameters are counted.
            folder: The run's, or in words where it will be.
        """
        schedule = Schedule.of(config)
        batch = self.processes * config.batch_size * config.accumulate
        passes = config.steps * batch / max(1, self.training_images)
        devices = f"{self.processes} {self.device}"
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
        base = config.learning_rate
        facts = {
            "data": f"{self.training_images} training and {counted(self.validation_images, 'validation image')}, "
            f"{len(self.class_names)} class{'' if len(self.class_names) == 1 else 'es'}",
            "steps": f"{config.steps - self.first_step} to go, {config.steps} in all ({passes:.1f} passes), "
            f"warm-up {schedule.warmup_steps}",
            "validation": self.validation,
            "batch": f"{batch} = {devices} x {config.batch_size} x {config.accumulate} accumulated "
            f"(published: {self.published_batch or 'not reported'})",
            "learning rate": f"{schedule.highest_rate(base, self.first_step):.3g} at most, "
            f"{schedule.rate(base, self.first_step):.3g} in the next step",
            "parameters": f"{trained / 1e6:.2f} M trained, {frozen / 1e6:.2f} M frozen",
            "averaging": ""
            if config.ema_decay is None
            else f"exponential average of the weights, decay {config.ema_decay:g}: validated and saved instead of them",
            "precision": config.precision,
            "operators": f"\n{'':<15}".join(f"{name}: {form}" for name, form in self.operator_forms.items()),
            "class weights": self._weights(),
            "folder": str(folder),
        }
        lines = [f"{name:<14} {fact}" for name, fact in facts.items() if fact]
        return lines + [f"{'note':<14} {note}" for note in self.notes]

    def _weights(self) -> str:
        if self.weights is None:
            return "none"
        pairs = [
            f"{name} {'none (not in the training masks)' if label in self.uncounted else f'{weight:.2f}'}"
            for label, (name, weight) in enumerate(zip(self.class_names, self.weights, strict=True))
        ]
        more = f" and {len(pairs) - 12} more" if len(pairs) > 12 else ""
        return ", ".join(pairs[:12]) + more
