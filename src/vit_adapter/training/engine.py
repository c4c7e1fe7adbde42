"""Lightning Fabric as this room uses it: one process or many, quiet, its errors as one line."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_fabric.utilities.warnings import PossibleUserWarning
from torch import nn

from vit_adapter.config import InputError, TrainingConfig


class OperatorPrecision(MixedPrecision):
    """Half precision inside operators only: images stay float32 until an operator casts them.

    Cast weights are not kept for the next operator: where several passes use a weight (the prediction heads of
    Mask2Former), its gradients are added in float32.
    """

    def forward_context(self) -> torch.autocast:
        """Around every forward pass."""
        dtype = torch.bfloat16 if self.precision == "bf16-mixed" else torch.float16
        return torch.autocast(self.device, dtype, cache_enabled=False)

    def convert_input(self, data: Any) -> Any:
        """As it is."""
        return data


def choose_accelerator(config: TrainingConfig) -> str:
    """ "cuda", "cpu" or "mps".

    Raises:
        InputError: It is not there, or cannot do the precision that is asked for.
    """
    name = config.accelerator
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name, False):
        raise InputError(f"training.accelerator={config.accelerator}: no such device here; take auto or cpu")
    if config.precision == "16-mixed" and name != "cuda":
        raise InputError(
            f"training.precision=16-mixed on {name}: it works on CUDA only; take 32-true or bf16-mixed"
        )
    return name


def count_devices(config: TrainingConfig, accelerator: str) -> int:
    """Processes on this machine: as asked for, or as torchrun started, or one for each CUDA device."""
    if config.devices != "auto":
        return config.devices
    started = os.environ.get("LOCAL_WORLD_SIZE", "")
    if started.isdigit():
        return int(started)
    return torch.cuda.device_count() if accelerator == "cuda" else 1


def make_fabric(config: TrainingConfig, all_used: bool = False) -> Fabric:
    """What moves tensors, computes in the wanted precision and exchanges gradients.

    Processes that torchrun or SLURM started are found by their variables; otherwise its ``launch`` starts those of
    this machine.

    Args:
        config: Devices and precision.
        all_used: Every trained parameter gets a gradient in every step; otherwise several processes look for
            those that get none, each time anew.

    Raises:
        InputError: Devices or precision are not there.
    """
    accelerator = choose_accelerator(config)
    devices = count_devices(config, accelerator)
    strategy: Any = "auto"
    if devices * config.nodes > 1:
        backend = "gloo" if accelerator == "cpu" else None
        strategy = DDPStrategy(find_unused_parameters=not all_used, process_group_backend=backend)
    half: Any = None
    if config.precision != "32-true":
        half = OperatorPrecision(config.precision, accelerator)
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=config.nodes,
            strategy=strategy,
            plugins=half,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise InputError(f"training settings: {str(error).splitlines()[0]}") from error
    check_machines(fabric, config.nodes, "training.nodes=")
    return fabric


def join_processes(fabric: Fabric, nodes: int) -> None:
    """Starts the other processes of this machine where nobody did, and meets all.

    Other machines are waited for inside PyTorch, where no handler of Python's runs: there Ctrl-C and SIGTERM end the
    process at once. Nothing is half-written yet.

    Args:
        fabric: Not launched yet.
        nodes: Number of machines.
    """
    previous: dict[signal.Signals, Any] = {}
    if nodes > 1 and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, signal.SIG_DFL)
    try:
        fabric.launch()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def check_machines(fabric: Fabric, nodes: int, setting: str) -> None:
    """Refuses several machines where nothing says how they find each other: each would wait for the others for ever.

    Args:
        fabric: Not launched yet; it has looked for torchrun, SLURM and the like.
        nodes: Number of machines.
        setting: What named it, for the message: "--nodes ".

    Raises:
        InputError: This process was started by itself, and no address of the first machine is set.
    """
    alone = isinstance(getattr(fabric.strategy, "cluster_environment", None), LightningEnvironment)
    if nodes > 1 and alone and not os.environ.get("MASTER_ADDR"):
        raise InputError(
            f"{setting}{nodes}: the processes of several machines are started by torchrun or SLURM, and this one was "
            "not; for this machine alone leave it out"
        )


@contextmanager
def synchronized_batch_norm(model: nn.Module, fabric: Fabric) -> Iterator[None]:
    """Inside, batch norm of several CUDA devices looks at the images of all of them; afterwards it is as before."""
    known = nn.modules.batchnorm._BatchNorm
    several = fabric.world_size > 1 and fabric.device.type == "cuda"
    originals = {name: layer for name, layer in model.named_modules() if several and isinstance(layer, known)}
    if originals:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    try:
        yield
    finally:
        for name, layer in originals.items():
            parent, _, own = name.rpartition(".")
            trained = model.get_submodule(name)
            layer._parameters, layer._buffers = trained._parameters, trained._buffers
            setattr(model.get_submodule(parent), own, layer.train(trained.training))


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Inside, Lightning's notes and advice stay off the screen; its warnings about real trouble do not."""
    loggers = [logging.getLogger(name) for name in ("lightning_fabric", "lightning_utilities")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def one_line_errors(config: TrainingConfig) -> Iterator[None]:
    """Inside, missing memory becomes an ``InputError`` that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(config, "device") from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "not enough memory" in str(error):
            raise _out_of_memory(config, "main") from error
        raise


def _out_of_memory(config: TrainingConfig, kind: str) -> InputError:
    remedies = [f"training.batch_size (now {config.batch_size}) with more training.accumulate"]
    remedies += ["a smaller data.augmentation.crop", "--model.vit.grad_checkpointing true"]
    if config.precision == "32-true":
        remedies.append("--training.precision bf16-mixed")
    return InputError(f"out of {kind} memory; try a smaller {', '.join(remedies)}, or --model.vit.frozen vit")
