"""Problems that can be detected before the first step."""

from typing import NamedTuple

from torch import nn

from vit_adapter.config import InputError, RunConfig
from vit_adapter.segmenter import Segmenter

from .engine import choose_accelerator, count_devices


class Devices(NamedTuple):
    """What a run works on.

    Attributes:
        kind: "cuda", "cpu" or "mps".
        count: Of processes, one for each device, on all machines together.
    """

    kind: str
    count: int


def check_run(model: Segmenter, config: RunConfig, images: int) -> Devices:
    """What no run can work with, of settings, devices and number of training images.

    Returns:
        The devices.

    Raises:
        InputError: There is such a thing.
    """
    if images < 1:
        raise InputError(f"{config.data.root or 'the data set'}: no training image, expected at least one")
    accelerator = choose_accelerator(config.training)
    processes = count_devices(config.training, accelerator) * config.training.nodes
    check_batch_of_one(model, config, processes, synchronised=accelerator == "cuda")
    return Devices(accelerator, processes)


def check_batch_of_one(model: Segmenter, config: RunConfig, processes: int, synchronised: bool) -> None:
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
    has_batch_norm = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if seen_together == 1 and model.head.pools_to_one_pixel and has_batch_norm:
        raise InputError(
            "training.batch_size=1: batch norm in UperNet's 1x1 pooled branch needs two images or more at a time; "
            "use --model.norm group (with training.accumulate for a larger effective batch) or training.batch_size 2"
        )
