"""Gradients at batch one against float64 finite differences (behaviour 23 says which silent fault this finds)."""

import pytest
import torch
from torch import nn

from vit_adapter.backbones import ViTAdapter
from vit_adapter.heads import FCNHead


class WithHead(nn.Module):
    """Backbone and FCN head."""

    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images):
        return [self.head(self.backbone(images))]


def make(with_head):
    torch.manual_seed(1)
    backbone = ViTAdapter(
        "vit_tiny_patch16_224",
        options={"depth": 4, "embed_dim": 12, "num_heads": 3, "mlp_ratio": 1},
        conv_inplanes=4,
        drop_path_rate=0.0,
        injector_init=0.3,
        deform_heads=3,
    )
    for module in backbone.modules():
        if hasattr(module, "sampling_offsets"):
            nn.init.normal_(module.sampling_offsets.weight, std=0.05)
            nn.init.normal_(module.attention_weights.weight, std=0.2)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0  # running averages must not move between the evaluations
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    model = WithHead(backbone, FCNHead(12, 8, 3, level=2, dropout=0.0)) if with_head else backbone
    if with_head:
        nn.init.normal_(model.head.classifier.weight, std=0.5)
    return model.double()


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_head", [True, False])
def test_batch_of_one(training, with_head):
    model = make(with_head).train(training)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    probes = None

    def scalar():
        maps = model(images)
        nonlocal probes
        if probes is None:
            generator = torch.Generator().manual_seed(2)
            probes = [torch.randn(level.shape, generator=generator, dtype=torch.float64) for level in maps]
        return sum((level * probe).sum() for level, probe in zip(maps, probes, strict=True))

    scalar().backward()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        step = 1e-6 / max(direction.norm().item(), 1e-12)
        with torch.no_grad():
            parameter += step * direction
            above = scalar()
            parameter -= 2 * step * direction
            below = scalar()
            parameter += step * direction
        expected = ((above - below) / (2 * step)).item()
        found = (parameter.grad * direction).sum().item() if parameter.grad is not None else 0.0
        # ReLU and max-pool have corners, and zero gradients leave rounding noise.
        assert found == pytest.approx(expected, rel=2e-3, abs=2e-4 * direction.norm().item()), name
