"""Everything a run needs, in one object."""

from dataclasses import dataclass, field

from .data import DataConfig
from .evaluation import EvaluationConfig
from .model import ModelConfig
from .protocol import Protocol
from .training import TrainingConfig


@dataclass(frozen=True)
class RunConfig:
    """Model, data, training, evaluation and test protocol.

    Attributes:
        protocol: None: windows of the training crop at two thirds of a crop apart, native resolution.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    protocol: Protocol | None = None
