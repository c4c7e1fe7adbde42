"""Problems that can be detected before the first step."""

from torch import nn

from vit_adapter.config import InputError, RunConfig
from vit_adapter.heads import Head

from .engine import choose_accelerator, count_devices


def check_run(model: nn.Module, config: RunConfig, images: int) -> tuple[str, int]:
    """What no run can work with, of settings, devices and number of training images.

    Returns:
        Kind of device, and the number of processes on all machines.

    Raises:
        InputError: There is such a thing.
    """
    check_settings(config, images)
    accelerator = choose_accelerator(config.training)
    processes = count_devices(config.training, accelerator) * config.training.nodes
    check_batch_of_one(model, config, processes, synchronised=accelerator == "cuda")
    return accelerator, processes


def check_settings(config: RunConfig, images: int) -> None:
    """Values that no run can work with.

    Raises:
        InputError: One of them is out of range.
    """
    training = config.training
    for name in ("steps", "batch_size", "accumulate", "nodes"):
        value = getattr(training, name)
        if value < 1:
            raise InputError(f"training.{name}={value}, expected at least 1")
    for name in ("validate_every", "validation_sample", "checkpoint_every", "early_stopping"):
        value = getattr(training, name)
        if value is not None and value < 1:
            raise InputError(f"training.{name}={value}, expected at least 1, or none")
    if training.learning_rate <= 0:
        raise InputError(f"training.learning_rate={training.learning_rate:g}, expected a number above 0")
    if not all(0 <= beta < 1 for beta in training.betas):
        raise InputError(
            f"training.betas={list(training.betas)}, expected two numbers of at least 0 and below 1"
        )
    if training.ema_decay is not None and not 0 <= training.ema_decay < 1:
        raise InputError(f"training.ema_decay={training.ema_decay:g}, expected at least 0 and below 1")
    if training.clip_gradient_norm is not None and training.clip_gradient_norm <= 0:
        raise InputError(
            f"training.clip_gradient_norm={training.clip_gradient_norm:g}, expected a number above 0"
        )
    if images < 1:
        raise InputError(f"{config.data.root or 'the data set'}: no training image, expected at least one")


def check_batch_of_one(model: nn.Module, config: RunConfig, processes: int, synchronised: bool) -> None:
    """Batch norm needs more than one value per channel: one image pooled to 1x1 has a single one.

    Args:
        model: To be trained.
        config: Its settings.
        processes: Number of processes.
        synchronised: Batch norm looks at the images of all of them.

    Raises:
        InputError: A batch of one image meets the 1x1 pooled branch of UperNet.
    """
    seen_together = config.training.batch_size * (processes if synchronised else 1)
    head: Head = model.head  # pyright: ignore
    has_batch_norm = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if seen_together == 1 and head.pools_to_one_pixel and has_batch_norm:
        raise InputError(
            "training.batch_size=1: batch norm in UperNet's 1x1 pooled branch needs two images or more at a time; "
            "use --model.norm group (with training.accumulate for a larger effective batch) or training.batch_size 2"
        )
