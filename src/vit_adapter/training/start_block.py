"""What a run prints about itself before it begins."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vit_adapter.config import RunConfig
from vit_adapter.config.counting import counted
from vit_adapter.segmenter import Segmenter

from .checks import Devices
from .schedule import Schedule
from .validation_plan import ValidationPlan

PUBLISHED_BATCH = 16
"""Images in a step of nearly all published models."""


@dataclass(kw_only=True)
class StartBlock:
    """The facts, gathered from several places.

    Attributes:
        model: What is trained; one on the meta device will do.
        config: All settings.
        images: Numbers of training and of validation images.
        devices: What the run works on.
        plan: When and on what it validates.
        operator_forms: Operator and the form of it that will run.
        notes: Further lines (resumed from ..., settings that changed).
        first_step: Steps done before.
        weights: Class weights, if there are any.
        uncounted: Labels of classes without a pixel to make an automatic weight from.
        published_batch: Images in a step of the published model; None: not reported.
    """

    model: Segmenter
    config: RunConfig
    images: tuple[int, int]
    devices: Devices
    plan: ValidationPlan
    operator_forms: dict[str, str]
    notes: list[str] = field(default_factory=list)
    first_step: int = 0
    weights: np.ndarray | None = None
    uncounted: frozenset[int] = frozenset()
    published_batch: int | None = PUBLISHED_BATCH

    def lines(self, folder: str | Path) -> list[str]:
        """One line for each fact, the name first.

        Args:
            folder: The run's, or in words where it will be.
        """
        config, (images, validation_images) = self.config.training, self.images
        parameters, classes = list(self.model.parameters()), len(self.model.class_names)
        schedule = Schedule.of(config)
        batch = self.devices.count * config.batch_size * config.accumulate
        passes = config.steps * batch / max(1, images)
        devices = f"{self.devices.count} {self.devices.kind}"
        trained = sum(p.numel() for p in parameters if p.requires_grad)
        frozen = sum(p.numel() for p in parameters if not p.requires_grad)
        base = config.learning_rate
        facts = {
            "data": f"{images} training and {counted(validation_images, 'validation image')}, "
            f"{classes} class{'' if classes == 1 else 'es'}",
            "steps": f"{config.steps - self.first_step} to go, {config.steps} in all ({passes:.1f} passes), "
            f"warm-up {schedule.warmup_steps}",
            "validation": self.plan.words(),
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
            for label, (name, weight) in enumerate(zip(self.model.class_names, self.weights, strict=True))
        ]
        more = f" and {len(pairs) - 12} more" if len(pairs) > 12 else ""
        return ", ".join(pairs[:12]) + more
