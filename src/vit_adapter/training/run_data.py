"""The data of a run, as Lightning asks for it."""

from typing import Any

import lightning.pytorch as lightning
from rich.console import Console

from vit_adapter.config import RunConfig

from . import processes
from .batches import StepBatches
from .engine import choose_accelerator
from .frame import print_lines
from .loader import ImageSource
from .sampler import SampleOrder, StepSampler
from .signals import StopRequest


class RunData(lightning.LightningDataModule):
    """The batches, made when the processes know their numbers.

    Args:
        source: The training set.
        config: Settings of the run.
        first_step: Steps done before.
        request: What signals asked of this process.
        console: For lines about workers.
    """

    def __init__(
        self,
        source: ImageSource,
        config: RunConfig,
        first_step: int,
        request: StopRequest,
        console: Console,
    ) -> None:
        super().__init__()
        self.source, self.config, self.first_step = source, config, first_step
        self.request, self.console = request, console
        self.batches: StepBatches | None = None

    def train_dataloader(self) -> Any:
        """Steps that are still to be done."""
        training = self.config.training
        sampler = StepSampler(
            SampleOrder(len(self.source), training.seed),
            training.batch_size,
            training.accumulate,
            self.first_step,
            training.steps,
            processes.rank(),
            processes.world_size(),
        )
        pin = choose_accelerator(training) == "cuda"
        self.batches = StepBatches(
            self.source,
            sampler,
            self.config.data.workers,
            pin,
            self.request,
            lambda line: print_lines(self.console, [line]),
            max(1, processes.world_size() // training.nodes),
        )
        return self.batches

    def close(self) -> None:
        """End the workers."""
        if self.batches is not None:
            self.batches.close()
