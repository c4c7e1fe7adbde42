"""A published detector as data."""

from dataclasses import dataclass
from typing import Literal

from vit_adapter.config import (
    AugmentationConfig,
    ClassTable,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    ModelConfig,
    PipelineName,
    RunConfig,
    TaskName,
    TrainingConfig,
)
from vit_adapter.config.class_names import COCO_IDS, COCO_PANOPTIC, COCO_THINGS, colours_of, names_of

IMAGES = (118_287, 5_000)
"""Of train2017 and val2017 of COCO."""
TYPICAL_SIDE = 1024
"""Side of a square as large as most training images: memory and time are reckoned with it."""


@dataclass(frozen=True)
class DetectionRecipe:
    """A published detector, how it was trained on COCO and how it is measured (behaviour 166).

    Attributes:
        name: As its official configuration is called, without ``_ms``.
        pretraining: Key of ``PRETRAINED``, or the name of the file; what the ViT starts from.
        model: Backbone and head.
        training: Optimiser and schedule, per device.
        pipeline: The published training transforms (``data.detection.published``).
        protocol: Published single-scale test.
        parameters: Exact number of parameters.
        multi_scale: Published test of several scales with mirror images; None: none.
        checkpoint_url: The published model; None: not published.
        box_ap: Published box AP on val2017 in percent; None: none.
        mask_ap: Published mask AP, of the panoptic model PQ is not told; None: none.
        multi_scale_ap: Published box and mask AP of the test of several scales; None: none.
        total_batch: Images in a step over all devices.
        half_precision_training: Trained in half precision, with a dynamic loss scale from 512.
        start: File of a whole detector that training starts from.
        stuff: COCO's 133 panoptic categories instead of its 80 objects.
        variant: Which test ``config`` sets: "ss" or "ms".
    """

    name: str
    pretraining: str
    model: ModelConfig
    training: TrainingConfig
    pipeline: PipelineName
    protocol: InferenceConfig
    parameters: int
    multi_scale: InferenceConfig | None = None
    checkpoint_url: str | None = None
    box_ap: float | None = None
    mask_ap: float | None = None
    multi_scale_ap: tuple[float, float] | None = None
    total_batch: int = 16
    half_precision_training: bool = False
    start: str | None = None
    stuff: bool = False
    variant: Literal["ss", "ms"] = "ss"

    @property
    def origin(self) -> Literal["vit_adapter"]:
        """Whose recipe it is."""
        return "vit_adapter"

    @property
    def method(self) -> str:
        """The head's name as people write it."""
        return self.model.head.title

    @property
    def images(self) -> tuple[int, int]:
        """Training and validation images of the data set that it was trained on."""
        return IMAGES

    @property
    def task(self) -> TaskName:
        """What the model is asked for."""
        if self.stuff:
            return "panoptic"
        return (
            "instance"
            if self.mask_ap is not None or "mask" in self.name or "htc" in self.name
            else "detection"
        )

    @property
    def test_protocol(self) -> InferenceConfig:
        """The test that ``variant`` chooses."""
        return self.multi_scale if self.variant == "ms" and self.multi_scale else self.protocol

    def classes(self) -> ClassTable:
        """COCO's classes, with their category ids."""
        count = None if self.stuff else COCO_THINGS
        names = names_of(COCO_PANOPTIC)[:count]
        things = tuple(label < COCO_THINGS for label in range(len(names)))
        return ClassTable(names, COCO_IDS[:count], colours_of(COCO_PANOPTIC)[:count], 255, is_thing=things)

    def evaluation_config(self) -> RunConfig:
        """As ``config``: it is measured on the data set that it was trained on."""
        return self.config()

    def config(self) -> RunConfig:
        """Model, optimiser, schedule and test as published; ``data.root`` is left empty."""
        protocol = self.test_protocol
        data = DataConfig(
            mean=list(protocol.normalization.mean),
            std=list(protocol.normalization.std),
            workers=2,
            augmentation=AugmentationConfig(pipeline=self.pipeline, crop=TYPICAL_SIDE),
        )
        return RunConfig(self.model, data, self.training, EvaluationConfig(), protocol, self.task)
