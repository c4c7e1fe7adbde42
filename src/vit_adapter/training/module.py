"""One optimiser step, the same for one process and for many."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NoReturn

import lightning.pytorch as lightning
import torch
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor, nn

from vit_adapter.config import TrainingConfig
from vit_adapter.heads import LossNotFinite

from . import processes
from .astray import BatchFacts, batch_facts, blames_input, joined_facts, likely_reason, told_facts
from .batches import STOP
from .loader import MicroBatch
from .parameter_groups import parameter_groups
from .randomness import seed_generators
from .schedule import Schedule, set_learning_rates
from .signals import StopRequest

FUSED_DEVICES = ("cpu", "cuda")
"""Where PyTorch has AdamW as one operator for all parameters."""


class TrainingModule(lightning.LightningModule):
    """Forward and backward passes of a step, gradient clipping and the update.

    A batch of the loader is a whole step: the list of its forward passes. So a step is never half done, what
    is averaged over is known before the first pass, and a resumed run begins at a step.

    Args:
        segmenter: The model; ``loss(images, labels)`` gives "loss" and its named parts.
        config: Rates, clipping, seed.
        official_name: Our parameter name to the official one, for the layer rules.
        step: Number of steps done before.
        request: What signals asked of this process.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        config: TrainingConfig,
        official_name: Callable[[str], str],
        step: int = 0,
        request: StopRequest | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.segmenter = segmenter
        self.config, self.official_name = config, official_name
        self.schedule = Schedule.of(config)
        self.step = step
        self.figures: dict[str, float] = {}
        """Losses of the last step over all processes, "learning_rate" and "gradient_norm"."""
        self.local_trouble: str | None = None
        """Set by a callback of one process (a file it could not write): all stop at the next step."""
        self.request = request or StopRequest()
        """What signals asked of this process."""
        self.stop_agreed = False
        """Some process was asked to stop; all know it and end after this step."""
        self.last_checkpoint: str | None = None
        self.replaced: dict[str, str] = {}
        """Images that this process could not decode, and why."""
        self.remedy: list[str] = []
        """Settings with which a run that diverged may be continued."""
        self._batch: list[MicroBatch] = []
        self._divisor: float | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (behaviour 83)."""
        groups = parameter_groups(self.segmenter, self.config, self.official_name)
        # The fused form unscales the gradients of half precision itself, which does not go with clipping.
        fused = self.device.type in FUSED_DEVICES and self.config.precision != "16-mixed"
        return torch.optim.AdamW(
            groups, lr=self.config.learning_rate, betas=self.config.betas, eps=1e-8, fused=fused
        )

    def on_train_start(self) -> None:
        """Training mode for everything that is trained (a frozen ViT stays in evaluation mode by itself)."""
        self.segmenter.train()

    def on_train_batch_start(self, batch: list[MicroBatch], batch_idx: int) -> int | None:
        """What all processes have to know before the step; -1 (no step) where one was stopped while it waited."""
        self._divisor = self._common_divisor(batch)
        if not self.stop_agreed:
            return None
        self.trainer.should_stop = True
        return -1

    def training_step(self, batch: list[MicroBatch], batch_idx: int) -> None:
        """One optimiser step."""
        divisor = self._divisor
        optimizer: Any = self.optimizers()
        set_learning_rates(optimizer.param_groups, self.schedule, self.step)
        sums: dict[str, Tensor] = {}
        for index, micro_batch in enumerate(batch):
            seed_generators(self.config.seed, self.step, index, processes.rank())
            with self._exchange_gradients(index == len(batch) - 1):
                losses = self._loss(micro_batch, divisor)
                self.manual_backward(losses["loss"] / len(batch))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach().float().sum() / len(batch)
        self._share_figures(sums, batch)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self._batch = []
        self.figures["learning_rate"] = self.schedule.rate(self.config.learning_rate, self.step)
        self.step += 1

    def _loss(self, micro_batch: MicroBatch, divisor: float | None) -> dict[str, Tensor]:
        try:
            return self.segmenter.loss(micro_batch["image"], micro_batch["labels"], divisor)  # pyright: ignore
        except LossNotFinite as error:  # all processes raise it together (S42)
            told = next(reason for reason in processes.gather(str(error)) if "another process" not in reason)
            self._stop_not_finite(f"a matching cost ({told})", [micro_batch])

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients (already unscaled here under mixed precision)."""
        gradients = [
            p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.config.clip_gradient_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.clip_gradient_norm, norm)
        self.figures["gradient_norm"] = float(norm)
        # Gradients are equal in all processes, so all see this. Half precision overflows now and then: its
        # scaler skips such a step.
        if not math.isfinite(self.figures["gradient_norm"]) and self.config.precision != "16-mixed":
            self._stop_not_finite("the gradient", self._batch)

    def _common_divisor(self, batch: list[MicroBatch]) -> float | None:
        """What every forward pass divides its sums by, so that their mean is the loss of the joint batch (S41).

        Returns:
            The mean count (of valid pixels, of masks) over all passes of all processes; None where each pass counts
            as much as any other, or is alone.
        """
        error = self.local_trouble or next((part["error"] for part in batch if "error" in part), None)
        stop = any(STOP in part for part in batch)
        passes = len(batch) * processes.world_size()
        counts: list[float | None] = []
        if error is None and not stop and passes > 1:
            counts = [self.segmenter.count(part["labels"]) for part in batch]  # pyright: ignore
        total = sum(count for count in counts if count is not None)
        counted = float(any(count is not None for count in counts))
        errors, stops, total, counted = processes.sum_over_processes(
            [float(error is not None), float(stop), total, counted], self.device
        )
        if errors:
            messages = [message for message in processes.gather(error) if message is not None]
            processes.stop_together(messages[0])
        self.stop_agreed = self.stop_agreed or stops > 0
        # At least 1 for the passes of one process, the published rule for masks.
        return max(total / processes.world_size(), 1.0) / len(batch) if counted else None

    def _exchange_gradients(self, last_pass: bool) -> Any:
        strategy = self.trainer.strategy
        if last_pass or not isinstance(strategy, ParallelStrategy):
            return nullcontext()
        return strategy.block_backward_sync()

    def _share_figures(self, sums: dict[str, Tensor], batch: list[MicroBatch]) -> None:
        """Mean over the processes; stop when the loss is not finite in any of them, or a stop was asked for."""
        local = torch.stack(list(sums.values())).tolist()
        *values, stops = processes.sum_over_processes([*local, float(self.request.made)], self.device)
        self.figures = {
            name: value / processes.world_size() for name, value in zip(sums, values, strict=True)
        }
        self.stop_agreed = stops > 0
        self._batch = batch
        for part in batch:
            self.replaced |= part["replaced"]
        if not math.isfinite(self.figures["loss"]):
            own = [] if math.isfinite(local[list(sums).index("loss")]) else batch
            self._stop_not_finite(f"the loss ({self.figures['loss']:g})", own)

    def _stop_not_finite(self, what: str, own: list[MicroBatch]) -> NoReturn:
        facts = joined_facts(processes.gather(batch_facts(own)))
        processes.stop_together(self.not_finite(f"{what} is not finite; {told_facts(facts)}", facts))

    def not_finite(self, what: str, facts: BatchFacts | None = None) -> str:
        """The line with which a run ends whose loss has diverged.

        Args:
            what: What is not finite, and where.
            facts: The batch; None: not known.
        """
        rate = self.schedule.rate(self.config.learning_rate, self.step)
        reason = likely_reason(facts, self.config, rate)
        if not blames_input(facts):
            self.remedy = ["--training.learning_rate", f"{self.config.learning_rate / 2:g}"]
        good = self.last_checkpoint or "none was written yet"
        return f"step {self.step}: {what}; {reason}; last good checkpoint: {good}"
