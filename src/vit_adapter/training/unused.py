"""Which trained parameters a loss does not reach: several processes have to know before they wait for each other."""

import copy
from typing import Any

import torch
from torch import nn

PROBE_SIDE = 64


def unused_parameters(model: nn.Module, channels: int = 3) -> list[str]:
    """Names of trained parameters that get no gradient, such as a class token that is dropped.

    A copy of the model makes one small forward pass; the backward pass is only traced, not computed. Buffers and
    random generators stay as they are.

    Args:
        model: A ``Segmenter``.
        channels: Of its images.
    """
    probe: Any = copy.deepcopy(model).cpu().float().train()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        images = torch.rand(2, channels, PROBE_SIDE, PROBE_SIDE)
        labels = torch.zeros(2, PROBE_SIDE, PROBE_SIDE, dtype=torch.int64)
        loss = probe.loss(images, labels)["loss"]
    reached, seen, nodes = set(), set(), [loss.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):  # the end of a path: a parameter that collects gradients
            reached.add(id(node.variable))
        nodes += [following for following, _ in node.next_functions]
    return [name for name, p in probe.named_parameters() if p.requires_grad and id(p) not in reached]
