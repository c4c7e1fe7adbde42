"""How a run begins (its folder, the start block) and how it ends (last model, unreadable images)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from rich.console import Console

from vit_adapter.config import InputError, RunConfig
from vit_adapter.config.files import RUN_SETTINGS

from . import processes
from .facts import note_facts
from .folder_lock import lock_folder
from .folders import choose_folder, make_folder, prepare_folder
from .module import TrainingModule
from .start_block import StartBlock
from .validation import save_model

LAST_MODEL = "last"


class RunFrame(lightning.Callback):
    """Opens the run once all processes are there, and closes it.

    Args:
        config: Settings.
        parts: Objects whose ``folder`` is set when it is known.
        block: Makes the start block from number of processes, device and folder.
        console: For the first process's lines.
        keep_last_model: Write the model at the end (a run without validation has no best one).
    """

    def __init__(
        self,
        config: RunConfig,
        parts: Sequence[Any],
        block: Callable[[int, str, str], StartBlock],
        console: Console,
        keep_last_model: bool,
    ) -> None:
        self.config, self.parts, self.block, self.console = config, parts, block, console
        self.keep_last_model = keep_last_model
        self.folder = Path()
        self.unreadable: dict[str, str] = {}

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """The first process chooses the folder, all use it (S55)."""

        def open_folder() -> Path:
            folder = choose_folder(self.config)
            make_folder(folder)
            lock_folder(folder)
            return prepare_folder(folder, self.config)

        self.folder = processes.broadcast(processes.on_first_process(open_folder))
        for part in self.parts:
            part.folder = self.folder

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print the start block."""
        assert isinstance(pl_module, TrainingModule)
        block = self.block(trainer.world_size, trainer.strategy.root_device.type, str(self.folder))
        if processes.rank() == 0:
            print_lines(self.console, block.lines(self.config.training, pl_module.segmenter))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Make the folder again if somebody deleted or renamed it: what was learnt is not lost with it."""
        assert isinstance(pl_module, TrainingModule)
        if processes.rank() != 0 or (self.folder / RUN_SETTINGS).exists():
            return
        try:
            prepare_folder(self.folder, self.config)
        except InputError as error:
            pl_module.local_trouble = str(error)
            return
        line = f"{self.folder}: was deleted or renamed while the run wrote into it; made again at step {pl_module.step}"
        print_lines(self.console, [line])

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the last model, gather what could not be read."""
        assert isinstance(pl_module, TrainingModule)
        for part in processes.gather(pl_module.replaced):
            self.unreadable |= part
        if self.keep_last_model and not pl_module.stop_agreed:
            model, step = pl_module.segmenter, pl_module.step
            note_facts(model, step=step, mIoU=None, images=None)
            processes.on_first_process(
                lambda: save_model(model, self.folder / LAST_MODEL, {"step": step, "mIoU": None})
            )


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print as they are: names of classes and files may look like markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
