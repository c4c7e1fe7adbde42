"""The feed-forward part of the layers of both decoders."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vit_adapter.ops.feedforward import feedforward


class FeedForward(nn.Module):
    """Linear, ReLU, linear on every token.

    Matrices start Xavier normal, biases as PyTorch's linear layers (behaviour 52).

    Args:
        channels: Width of the tokens.
        hidden: Width inside.
        grad_checkpointing: Recompute it in the backward pass instead of keeping the hidden values; same numbers.
    """

    def __init__(self, channels: int, hidden: int, grad_checkpointing: bool = False) -> None:
        super().__init__()
        self.grad_checkpointing = grad_checkpointing
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)
        nn.init.xavier_normal_(self.fc1.weight)
        nn.init.xavier_normal_(self.fc2.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., channels] -> [..., channels]."""
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(self._transform, tokens, use_reentrant=False)  # pyright: ignore
        return self._transform(tokens)

    def _transform(self, tokens: Tensor) -> Tensor:
        if self.fc1._forward_hooks or self.fc2._forward_hooks:  # somebody wants them to be called
            return self.fc2(F.relu(self.fc1(tokens)))
        return feedforward(tokens, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias)
