"""The Mask2Former head: a fixed number of queries, each with a class and a mask (Cheng et al., CVPR 2022)."""

from .head import Mask2FormerHead
from .loss import LossSettings, Mask2FormerLoss
from .matching import CostWeights, NotFiniteCosts
from .transformer_decoder import Predictions

__all__ = [
    "CostWeights",
    "LossSettings",
    "Mask2FormerHead",
    "Mask2FormerLoss",
    "NotFiniteCosts",
    "Predictions",
]
