"""A convolution whose weights come from what is looked for (Sun et al., CVPR 2021, section 3.2)."""

import torch.nn.functional as F
from torch import Tensor, nn


class DynamicConvolution(nn.Module):
    """Two matrices made from a proposal's features read the features of its region.

    Args:
        channels: Width C of proposal and region features.
        hidden: Width D between the matrices.
        outputs: Width E of the result.
        side: Side s of a region's grid.
    """

    def __init__(self, channels: int, hidden: int, outputs: int, side: int) -> None:
        super().__init__()
        self.channels, self.hidden, self.outputs = channels, hidden, outputs
        self.parameters_of = nn.Linear(channels, channels * hidden + hidden * outputs)
        self.first_norm = nn.LayerNorm(hidden)
        self.second_norm = nn.LayerNorm(outputs)
        self.output = nn.Linear(outputs * side * side, outputs)
        self.output_norm = nn.LayerNorm(outputs)

    def forward(self, proposals: Tensor, regions: Tensor) -> Tensor:
        """Reads regions.

        Args:
            proposals: [N, C].
            regions: [N, C, s, s].

        Returns:
            [N, E], not negative.
        """
        weights = self.parameters_of(proposals)
        border = self.channels * self.hidden
        first = weights[:, :border].reshape(-1, self.channels, self.hidden)
        second = weights[:, border:].reshape(-1, self.hidden, self.outputs)
        places = regions.flatten(2).transpose(1, 2)  # [N, s s, C]
        places = F.relu(self.first_norm(places @ first))
        places = F.relu(self.second_norm(places @ second))  # [N, s s, E]
        return F.relu(self.output_norm(self.output(places.flatten(1))))
