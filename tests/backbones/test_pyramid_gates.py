"""Gates on the adapter's part of the pyramid: training starts from the ViT alone, and the adapter comes in."""

import pytest
import torch

from tiny import TINY
from vit_adapter import ViTAdapter


def build(**settings):
    torch.manual_seed(0)
    return ViTAdapter("vit_tiny_patch16_224", options=TINY, img_size=64, pretrained=False, **settings)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("injectors", [True, False])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_closed_gates_leave_the_vit_alone(training, injectors, norm):
    gated = build(
        pyramid_gate=0.0, injectors=injectors, conv_inplanes=8, norm=norm, drop_path_rate=0.0
    ).train(training)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        before = gated(images)
        for parameter in gated.spatial_prior.parameters():
            parameter.mul_(3.0)
        for level, expected in zip(gated(images), before, strict=True):
            torch.testing.assert_close(level, expected, rtol=0, atol=1e-5)
            assert expected.std() > 0.1


def test_the_level_of_the_vit_is_that_of_the_adapter():
    gated = build(pyramid_gate=1.0, conv_inplanes=8).train()
    gated.wrapper.read = lambda tokens: tokens * 0.01  # early blocks of pretrained ViTs
    with torch.no_grad():
        for level in gated(torch.randn(2, 3, 64, 96)):
            assert 0.7 < level.std() < 2


def test_gates_open_first_and_the_prior_learns_then():
    gated = build(pyramid_gate=0.0, injectors=False, conv_inplanes=8, frozen="vit").train()
    optimizer = torch.optim.SGD([p for p in gated.parameters() if p.requires_grad], lr=0.1)
    images, projection = torch.randn(2, 3, 64, 96), gated.spatial_prior.project4.weight
    for step in range(2):
        optimizer.zero_grad()
        sum((level * level.roll(1, 1)).mean() for level in gated(images)).backward()
        assert all(norm.weight.grad.any() for norm in gated.norms)
        assert bool(projection.grad.any()) is (step == 1)
        optimizer.step()


def test_weights_without_gates_do_not_fit_by_chance():
    published = build(conv_inplanes=8)
    gated = build(conv_inplanes=8, pyramid_gate=0.0)
    missing, unexpected = gated.load_state_dict(published.state_dict(), strict=False)
    assert unexpected == []
    assert {name.split(".")[0] for name in missing} == {"stage_norms"}


def test_without_the_vits_maps_there_is_nothing_to_weigh():
    plain, gated = (build(pyramid_gate=gate, add_vit_feature=False) for gate in (None, 0.0))
    assert plain.state_dict().keys() == gated.state_dict().keys()
    assert all(bool((norm.weight == 1).all()) for norm in gated.norms)
