"""When checkpoints are written, and how a resumed run restores one."""

from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import WeightAveraging

from vit_adapter.config import InputError

from . import processes
from .averaging import average_state, restore_average
from .checkpoints import VERSION, CheckpointFolder, optimizer_state, restore_optimizer
from .facts import described
from .module import TrainingModule
from .validation import ValidationState, state_to_dict


class Checkpointing(lightning.Callback):
    """Writes a checkpoint every so many steps, at the end, and when the run is asked to stop.

    Args:
        files: Where they are.
        every: Steps between them.
        run: Fingerprint of the run.
        state: Validation's memory.
        average: The averaged weights, if there are any.
        start: Checkpoint that the run continues.
    """

    def __init__(
        self,
        files: CheckpointFolder,
        every: int,
        run: dict[str, Any],
        state: ValidationState,
        average: WeightAveraging | None = None,
        start: dict[str, Any] | None = None,
    ) -> None:
        self.files, self.every, self.run, self.state, self.average = files, every, run, state, average
        self._start = start
        self._saved = -1

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restore optimiser, gradient scaler and average; the weights are in the model already."""
        if self._start is None:
            return
        assert isinstance(pl_module, TrainingModule)
        restore_optimizer(trainer.optimizers[0], self._start["optimizer"])
        trainer.precision_plugin.load_state_dict(self._start["scaler"])
        if self.average is not None and self._start["average"] is not None:
            restore_average(self.average, self._start["average"], trainer, pl_module)
        pl_module.last_checkpoint = f"{self.files.last} (step {self._start['step']})"
        pl_module.replaced = dict(self._start["replaced"])
        self._start = None  # a copy of the whole model

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save if it is time."""
        assert isinstance(pl_module, TrainingModule)
        step = pl_module.step
        last = step == pl_module.schedule.steps or trainer.should_stop or pl_module.stop_agreed
        if step % self.every == 0 or last:
            self._save(trainer, pl_module)
        if pl_module.stop_agreed:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save if the run was stopped before a step, while it waited for data."""
        assert isinstance(pl_module, TrainingModule)
        if pl_module.stop_agreed and self._saved != pl_module.step:
            self._save(trainer, pl_module)

    def _save(self, trainer: lightning.Trainer, module: TrainingModule) -> None:
        processes.on_first_process(lambda: self.files.save(self._content(trainer, module)))
        self._saved = module.step
        module.last_checkpoint = f"{self.files.last} (step {module.step})"

    def _content(self, trainer: lightning.Trainer, module: TrainingModule) -> dict[str, Any]:
        weights = module.segmenter.state_dict()
        # The loss may be finite all the same: batch norm divides by a variance that has overflown.
        spoilt = [name for name, value in weights.items() if not value.isfinite().all()]
        if spoilt:
            more = f" and {len(spoilt) - 1} more" if len(spoilt) > 1 else ""
            raise InputError(module.not_finite(f"the weights ({spoilt[0]}{more}) are not finite"))
        return {
            "version": VERSION,
            "step": module.step,
            "model": weights,
            "optimizer": optimizer_state(trainer.optimizers[0]),
            "scaler": trainer.precision_plugin.state_dict(),
            "average": average_state(self.average, trainer, module),
            "validation": state_to_dict(self.state),
            "replaced": module.replaced,
            "run": self.run,
            "segmenter": described(module.segmenter),
        }
