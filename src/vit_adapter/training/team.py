"""Processes that share the images of a batch: found or started by Lightning Fabric, as those of a training run."""

import subprocess
from datetime import timedelta

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from vit_adapter.config import InputError

from .engine import check_machines, join_processes, quiet_lightning

PATIENCE = timedelta(days=30)
"""How long a process waits for the others: at the end for the largest images."""


def join_team(
    devices: int, nodes: int, accelerator: str
) -> tuple[torch.device, list["subprocess.Popen[bytes]"]]:
    """Makes this process one of several that know each other.

    Those that torchrun or SLURM started are found by their variables; otherwise the first process starts the others
    of this machine, which run the same command. Results of images are all that they exchange, so that the processes
    meet on the CPU (gloo), wherever the models are.

    Args:
        devices: Processes on this machine.
        nodes: Number of machines.
        accelerator: "cpu" or "cuda".

    Returns:
        The device of this process, and the processes that it started.

    Raises:
        InputError: Devices are not there, or do not fit how the processes were started; see ``check_machines``.
    """
    strategy = DDPStrategy(process_group_backend="gloo", timeout=PATIENCE)
    try:
        with quiet_lightning():
            fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy)
            check_machines(fabric, nodes, "--nodes ")
            join_processes(fabric, nodes)
    except InputError:
        raise
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise InputError(f"--devices {devices} --nodes {nodes}: {str(error).splitlines()[0]}") from error
    started = getattr(fabric.strategy.launcher, "procs", [])
    return fabric.device, list(started)


def leave_team() -> None:
    """The end of it; every process calls it, and may form another team afterwards."""
    if dist.is_initialized():
        dist.destroy_process_group()
