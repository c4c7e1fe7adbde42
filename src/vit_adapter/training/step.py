"""One optimiser step, the same for one process and for many."""

import math
from typing import Any, NoReturn

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vit_adapter.config import TrainingConfig
from vit_adapter.heads import LossNotFinite
from vit_adapter.segmenter import Segmenter

from . import processes
from .astray import BatchFacts, batch_facts, blames_input, joined_facts, likely_reason, told_facts
from .batches import STOP
from .loader import MicroBatch, truth_of
from .parameter_groups import parameter_groups
from .randomness import seed_generators
from .run_state import RunState
from .schedule import Schedule, set_learning_rates
from .signals import StopRequest

FUSED_DEVICES = ("cpu", "cuda")
"""Where PyTorch has AdamW as one operator for all parameters."""


class _Losses(nn.Module):
    """A model whose forward pass is its loss: what is wrapped for several processes and for half precision."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, images: Tensor, **truth: Any) -> dict[str, Tensor]:
        return self.segmenter.loss(images, **truth)


class TrainingStep:
    """Forward and backward passes of a step, gradient clipping and the update.

    A batch of the loader is a whole step: the list of its forward passes. So a step is never half done, what
    is averaged over is known before the first pass, and a resumed run begins at a step.

    Args:
        segmenter: The model; ``loss(images, labels)`` gives "loss" and its named parts.
        config: Rates, clipping, seed.
        fabric: Of the run; the model goes to its device.
        state: Where the run stands.
        request: What signals asked of this process.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        config: TrainingConfig,
        fabric: Fabric,
        state: RunState,
        request: StopRequest | None = None,
    ) -> None:
        self.segmenter, self.config, self.fabric, self.state = segmenter, config, fabric, state
        self.schedule = Schedule.of(config)
        self.request = request or StopRequest()
        self.losses = fabric.setup_module(_Losses(segmenter))
        groups = parameter_groups(segmenter, config)
        # The fused form unscales the gradients of half precision itself, which does not go with clipping.
        fused = fabric.device.type in FUSED_DEVICES and config.precision != "16-mixed"
        optimizer = torch.optim.AdamW(  # behaviour 83
            groups, lr=config.learning_rate, betas=config.betas, eps=1e-8, fused=fused
        )
        self.optimizer: Any = fabric.setup_optimizers(optimizer)

    def __call__(self, batch: list[MicroBatch], divisor: float | None) -> dict[str, float]:
        """Do the step.

        Args:
            batch: Its forward passes, on the device.
            divisor: What ``agree`` gave.

        Returns:
            Losses over all processes, "gradient_norm" and "learning_rate".

        Raises:
            InputError: A loss or gradient is not finite.
        """
        step = self.state.step
        sums: dict[str, Tensor] = {}
        set_learning_rates(self.optimizer.param_groups, self.schedule, step)
        for index, part in enumerate(batch):
            seed_generators(self.config.seed, step, index, processes.rank())
            with self.fabric.no_backward_sync(self.losses, enabled=index < len(batch) - 1):
                losses = self._loss(part, divisor)
                self.fabric.backward(losses["loss"] / len(batch))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach().float().sum() / len(batch)
        figures = self._share_figures(sums, batch)
        figures["gradient_norm"] = self._clip_gradients(batch)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        figures["learning_rate"] = self.schedule.rate(self.config.learning_rate, step)
        self.state.step += 1
        return figures

    def _loss(self, micro_batch: MicroBatch, divisor: float | None) -> dict[str, Tensor]:
        try:
            return self.losses(micro_batch["image"], divisor=divisor, **truth_of(micro_batch))
        except LossNotFinite as error:  # all processes raise it together (S42)
            told = next(reason for reason in processes.gather(str(error)) if "another process" not in reason)
            self._stop_not_finite(f"a matching cost ({told})", [micro_batch])

    def _clip_gradients(self, batch: list[MicroBatch]) -> float:
        """Their norm before it."""
        self.fabric.strategy.precision.unscale_gradients(self.optimizer.optimizer)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.config.clip_gradient_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.config.clip_gradient_norm, norm)
        # Gradients are equal in all processes, so all see this. Half precision overflows now and then: its
        # scaler skips such a step.
        if not math.isfinite(float(norm)) and self.config.precision != "16-mixed":
            self._stop_not_finite("the gradient", batch)
        return float(norm)

    def agree(self, batch: list[MicroBatch]) -> float | None:
        """What all processes have to know before the step: trouble and stops of each, and a common divisor.

        Returns:
            What every forward pass divides its sums by, so that their mean is the loss of the joint batch (S41): the
            mean count (of valid pixels, of masks) over all passes of all processes; None where each pass counts as
            much as any other, or is alone.

        Raises:
            InputError: A process cannot go on.
        """
        error = self.state.local_trouble or next((part["error"] for part in batch if "error" in part), None)
        stop = any(STOP in part for part in batch)
        passes = len(batch) * processes.world_size()
        counts: list[float | None] = []
        if error is None and not stop and passes > 1:
            counts = [self.segmenter.count(**truth_of(part)) for part in batch]
        total = sum(count for count in counts if count is not None)
        counted = float(any(count is not None for count in counts))
        errors, stops, total, counted = processes.sum_over_processes(
            [float(error is not None), float(stop), total, counted], self.fabric.device
        )
        if errors:
            messages = [message for message in processes.gather(error) if message is not None]
            processes.stop_together(messages[0])
        self.state.stop_agreed = self.state.stop_agreed or stops > 0
        # At least 1 for the passes of one process, the published rule for masks.
        return max(total / processes.world_size(), 1.0) / len(batch) if counted else None

    def _share_figures(self, sums: dict[str, Tensor], batch: list[MicroBatch]) -> dict[str, float]:
        """Mean over the processes; stop when the loss is not finite in any of them, or a stop was asked for."""
        local = torch.stack(list(sums.values())).tolist()
        *values, stops = processes.sum_over_processes([*local, float(self.request.made)], self.fabric.device)
        figures = {name: value / processes.world_size() for name, value in zip(sums, values, strict=True)}
        self.state.stop_agreed = stops > 0
        for part in batch:
            self.state.replaced |= part["replaced"]
        if not math.isfinite(figures["loss"]):
            own = [] if math.isfinite(local[list(sums).index("loss")]) else batch
            self._stop_not_finite(f"the loss ({figures['loss']:g})", own)
        return figures

    def _stop_not_finite(self, what: str, own: list[MicroBatch]) -> NoReturn:
        facts = joined_facts(processes.gather(batch_facts(own)))
        processes.stop_together(self.not_finite(f"{what} is not finite; {told_facts(facts)}", facts))

    def not_finite(self, what: str, facts: BatchFacts | None = None) -> str:
        """The line with which a run ends whose loss has diverged.

        Args:
            what: What is not finite, and where.
            facts: The batch; None: not known.
        """
        rate = self.schedule.rate(self.config.learning_rate, self.state.step)
        reason = likely_reason(facts, self.config, rate)
        if not blames_input(facts):
            self.state.remedy = ["--training.learning_rate", f"{self.config.learning_rate / 2:g}"]
        good = self.state.last_checkpoint or "none was written yet"
        return f"step {self.state.step}: {what}; {reason}; last good checkpoint: {good}"
