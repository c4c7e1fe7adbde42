"""Everything a run needs, in one object."""

from dataclasses import dataclass, field
from typing import Any

from .data import DataConfig
from .evaluation import EvaluationConfig
from .model import ModelConfig
from .protocol import Protocol
from .training import TrainingConfig


@dataclass(frozen=True)
class RunConfig:
    """Model, data, training, evaluation and test protocol.

    Attributes:
        protocol: None: windows of the training crop at two thirds of a crop apart, native resolution, the ViT's own
            normalisation. A dictionary names what shall differ from that, such as ``{"flip": True}``; a ``Protocol``
            replaces all of it.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    protocol: Protocol | dict[str, Any] | None = None
