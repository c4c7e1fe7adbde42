"""Everything a run needs, in one object."""

from dataclasses import dataclass, field
from typing import Any

from .changes import with_changes
from .data import DataConfig
from .errors import InputError
from .evaluation import EvaluationConfig
from .model import ModelConfig
from .protocol import InferenceConfig, Normalization, changed_protocol
from .task import TaskName
from .training import TrainingConfig
from .values import check_argument


@dataclass(frozen=True)
class RunConfig:
    """Model, data, training, evaluation and test protocol.

    Attributes:
        protocol: None: windows of the training crop at two thirds of a crop apart, native resolution, the ViT's own
            normalisation. A dictionary names what should differ from that, such as ``{"flip": True}``; an
            ``InferenceConfig`` replaces all of it.
        task: What the model learns and is asked for; None: the most telling task that the data's truth is enough for
            and the head answers, and with a published recipe that of the recipe.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    protocol: InferenceConfig | dict[str, Any] | None = None
    task: TaskName | None = None

    def changed(self, **sections: Any) -> "RunConfig":
        """The same settings, some of them replaced; what is not named stays as it is.

        Args:
            sections: Fields to their new values; of a section a dictionary of the settings that change, in which other
                sections may stand: ``config.changed(training={"steps": 300}, model={"vit": {"frozen": "vit"}})``. Head
                and backbone of another kind by its name, or as an object with their settings.

        Raises:
            InputError: There is no such setting, or its value cannot be used.
        """
        return with_changes(self, sections, "settings")

    def __post_init__(self) -> None:
        """Looks at the task and at what is named of the protocol.

        Raises:
            InputError: There is no such setting, or its value cannot be used.
        """
        check_argument("task", self.task, TaskName | None)
        if isinstance(self.protocol, InferenceConfig | None):
            return
        if not isinstance(self.protocol, dict):
            raise InputError(
                f"protocol is {self.protocol!r}: expected an InferenceConfig, or settings of one by name"
            )
        parts = self.protocol.get("normalization")
        named = list(parts.values()) if isinstance(parts, dict) else []
        # The number of channels is the model's, which is not known here: any that is named will do.
        channels = len(named[0]) if named and isinstance(named[0], (list, tuple)) and named[0] else 3
        changed_protocol(
            InferenceConfig(normalization=Normalization((0,) * channels, (1,) * channels)), self.protocol
        )
