"""Fabric as runs use it: precision, batch norm over several devices, whose processes it finds."""

from types import SimpleNamespace

import pytest
import torch
from stand_ins import TinyModel, tiny_config
from torch import nn

from vit_adapter.training.engine import make_fabric, quiet_lightning, synchronized_batch_norm
from vit_adapter.training.run_state import RunState
from vit_adapter.training.step import TrainingStep


class Watched(TinyModel):
    """Keeps the types of its images, features and loss."""

    def loss(self, images, labels, divisor=None):
        losses = super().loss(images, labels, divisor)
        features = self.backbone(images)
        self.types = images.dtype, features.dtype, losses["loss"].dtype
        return losses


@pytest.mark.parametrize(
    ("precision", "inside"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)]
)
def test_half_precision_begins_inside_operators(precision, inside):
    training = tiny_config(None, steps=1, precision=precision).training
    fabric = make_fabric(training)
    with quiet_lightning():
        fabric.launch()
        model = Watched()
        step = TrainingStep(model, training, fabric, RunState(0, 1))  # pyright: ignore
    images, labels = torch.rand(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.int64)
    before = model.backbone.weight.detach().clone()
    figures = step([{"image": images, "labels": labels, "names": ["a", "b"], "replaced": {}}], None)
    assert model.types == (torch.float32, inside, torch.float32)
    assert step.state.step == 1
    assert next(iter(figures)) == "loss"
    assert list(figures)[-2:] == ["gradient_norm", "learning_rate"]
    assert model.backbone.weight.dtype == torch.float32
    assert not torch.equal(model.backbone.weight, before)


def several(device):
    return SimpleNamespace(world_size=2, device=torch.device(device))


def test_batch_norm_is_synchronized_for_the_time_of_training():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False))
    )
    names = list(model.state_dict())
    with synchronized_batch_norm(model, several("cuda")):  # pyright: ignore
        assert [type(layer) for layer in model[1]] == [nn.SyncBatchNorm] * 2  # pyright: ignore
        assert list(model.state_dict()) == names
        with torch.no_grad():
            model[1][0].weight.fill_(3)  # pyright: ignore
            model[1][1].running_var.fill_(5)  # pyright: ignore
        model.eval()
    assert [type(layer) for layer in model[1]] == [nn.BatchNorm2d] * 2  # pyright: ignore
    assert not model[1][0].training  # pyright: ignore
    assert model[1][0].weight.tolist() == [3] * 4  # pyright: ignore
    assert model[1][1].running_var.tolist() == [5] * 4  # pyright: ignore
    assert list(model.state_dict()) == names


@pytest.mark.parametrize(
    "fabric", [several("cpu"), SimpleNamespace(world_size=1, device=torch.device("cuda"))]
)
def test_batch_norm_of_one_device_stays(fabric):
    model = nn.Sequential(nn.BatchNorm2d(4))
    layer = model[0]
    with synchronized_batch_norm(model, fabric):
        assert model[0] is layer


SLURM = {
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NAME": "train",
    "SLURM_NODELIST": "node[1-2]",
}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "one",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "RANK": "2",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "1",
}


@pytest.mark.parametrize(
    ("variables", "rank", "local_rank"),
    [(SLURM, 3, 1), (TORCHRUN, 2, 0), (SLURM | TORCHRUN, 2, 0)],
    ids=["SLURM", "torchrun", "torchrun in a SLURM job"],
)
def test_processes_that_others_started_are_found(monkeypatch, variables, rank, local_rank):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(tiny_config(None, devices=2, nodes=2).training)
    assert (fabric.world_size, fabric.global_rank, fabric.local_rank) == (4, rank, local_rank)
    assert fabric.strategy.cluster_environment.creates_processes_externally  # pyright: ignore
