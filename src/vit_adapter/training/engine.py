"""Lightning's trainer as this room uses it: one process or many, quiet, its errors as one line."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.warnings import PossibleUserWarning

from vit_adapter.config import InputError, TrainingConfig


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
        if config.devices < 1:
            raise InputError(f"training.devices={config.devices}, expected at least 1 or auto")
        return config.devices
    started = os.environ.get("LOCAL_WORLD_SIZE", "")
    if started.isdigit():
        return int(started)
    return torch.cuda.device_count() if accelerator == "cuda" else 1


def make_trainer(
    config: TrainingConfig, steps: int, callbacks: list[lightning.Callback], all_used: bool = False
) -> lightning.Trainer:
    """A trainer that runs ``steps`` optimiser steps and does nothing else by itself.

    Args:
        config: Devices and precision.
        steps: Steps still to be done.
        callbacks: What happens around them.
        all_used: Every trained parameter gets a gradient in every step; otherwise several processes look for
            those that get none, each time anew.

    Raises:
        InputError: Devices or precision are not there.
    """
    accelerator = choose_accelerator(config)
    devices = count_devices(config, accelerator)
    several = devices * config.nodes > 1
    strategy: Any = "auto"
    if several:
        backend = "gloo" if accelerator == "cpu" else None
        strategy = DDPStrategy(find_unused_parameters=not all_used, process_group_backend=backend)
    # A resumed run is this program's business, not the trainer's.
    plugins: Any = [SLURMEnvironment(auto_requeue=False)] if several and SLURMEnvironment.detect() else None
    with quiet_lightning(), one_line_errors(config):
        return lightning.Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=config.nodes,
            strategy=strategy,
            precision=config.precision,
            plugins=plugins,
            sync_batchnorm=several and accelerator == "cuda",
            max_steps=steps,
            max_epochs=-1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            use_distributed_sampler=False,
        )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Inside, Lightning's notes and advice stay off the screen; its warnings about real trouble do not."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", module=r"lightning\.pytorch\.utilities\._pytree")
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def one_line_errors(config: TrainingConfig) -> Iterator[None]:
    """Inside, missing memory and devices become an ``InputError`` that says what to do."""
    try:
        yield
    except MisconfigurationException as error:
        raise InputError(f"training settings: {str(error).splitlines()[0]}") from error
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
