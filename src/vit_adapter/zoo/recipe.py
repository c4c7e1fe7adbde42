"""A published model as data."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from vit_adapter.config import (
    AdapterConfig,
    AugmentationConfig,
    ClassTable,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    InputError,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    UPerNetConfig,
)

from .datasets import DATASETS, PublishedDataset
from .pretraining import MODEL_LICENCE, PRETRAINED, PretrainedViT

Origin = Literal["vit_adapter", "dinov3", "own"]
UNTRAINED = "ours, not yet trained: no published number"
"""What is said of an own recipe wherever a published one has its score."""


@dataclass(frozen=True)
class Recipe:
    """A published model, how it was trained and how it is measured.

    Attributes:
        name: As its official configuration is called, without ``_ss`` or ``_ms``.
        dataset: Key of ``DATASETS``.
        pretraining: Key of ``PRETRAINED``: the ViT it starts from.
        model: Backbone and head.
        training: Optimiser and schedule, per device.
        augmentation: Random changes of training images.
        protocol: Published single-scale test.
        multi_scale: Published multi-scale test.
        parameters: Exact number of parameters.
        start: Recipe whose published model is loaded as a whole before training, tensors of another shape (the
            classifier) excepted (behaviour 103); None: only the ViT is pretrained.
        checkpoint_url: The published model; None: not published.
        score: Published single-scale score in percent; None: none.
        multi_scale_score: Published multi-scale score in percent; None: none.
        total_batch: Images in a step over all devices, as published; None: not reported.
        half_precision_scores: The published scores come from half-precision inference (behaviour 105).
        workers: Loader processes per device.
        licence: Of the published model, or of whatever is made of its ViT.
        origin: Whose recipe it is: published by the authors of ViT-Adapter or of DINOv3, or our own, which nobody has
            trained yet.
        variant: Which test ``config`` sets: "ss" or "ms".
    """

    name: str
    dataset: str
    pretraining: str
    model: ModelConfig
    training: TrainingConfig
    augmentation: AugmentationConfig
    protocol: InferenceConfig
    multi_scale: InferenceConfig
    parameters: int
    start: str | None = None
    checkpoint_url: str | None = None
    score: float | None = None
    multi_scale_score: float | None = None
    total_batch: int | None = 16
    half_precision_scores: bool = False
    workers: int = 4
    licence: str = MODEL_LICENCE
    origin: Origin = "vit_adapter"
    variant: Literal["ss", "ms"] = "ss"

    @property
    def method(self) -> str:
        """The head's name as people write it."""
        return self.model.head.title

    @property
    def data(self) -> PublishedDataset:
        """The data set it was trained on."""
        return DATASETS[self.dataset]

    @property
    def images(self) -> tuple[int, int]:
        """Training and validation images of the data set that it was trained on."""
        return self.data.train_images, self.data.val_images

    @property
    def evaluation_data(self) -> PublishedDataset:
        """The data set it is measured on; its classes are the model's."""
        return DATASETS[self.data.evaluated_on or self.dataset]

    @property
    def source(self) -> PretrainedViT:
        """The pretrained ViT."""
        return PRETRAINED[self.pretraining]

    @property
    def metric(self) -> str:
        """What ``score`` measures: "mIoU" or "mDice"."""
        return self.evaluation_data.metric

    @property
    def test_protocol(self) -> InferenceConfig:
        """The test that ``variant`` chooses."""
        return self.multi_scale if self.variant == "ms" else self.protocol

    def classes(self) -> ClassTable:
        """Names, mask values and colours of the model's classes."""
        return self.evaluation_data.classes()

    def config(self) -> RunConfig:
        """Model, data, training, evaluation and test protocol as published.

        ``data.root`` is left empty. Mean and deviation are named, since some ViTs were trained with others than
        the segmentation models (behaviour 108).
        """
        protocol = self.test_protocol
        data = DataConfig(
            layout=self.data.layout,  # pyright: ignore[reportArgumentType] (a test holds that it is one)
            reduce_zero=self.data.reduce_zero,
            workers=self.workers,
            mean=list(protocol.normalization.mean),
            std=list(protocol.normalization.std),
            augmentation=self.augmentation,
        )
        return RunConfig(self.model, data, self.training, EvaluationConfig(), protocol)

    def evaluation_config(self) -> RunConfig:
        """``config`` with the data set that the model is measured on, where that is another one."""
        config, measured = self.config(), self.evaluation_data
        layout: Any = measured.layout
        return replace(config, data=replace(config.data, layout=layout, reduce_zero=measured.reduce_zero))


@dataclass(frozen=True)
class OwnData:
    """The settings without a recipe: your own data set.

    Attributes:
        name: What the command line calls it.
    """

    name: str = "own_data"

    def config(self) -> RunConfig:
        """The settings of the rows in docs/small-data.md: a head of a quarter of the published width, class weights,
        ViT blocks that learn the slower the nearer they are to the image, a pyramid whose two parts are normalised by
        themselves; and crops that suit the images' size."""
        return RunConfig(
            model=ModelConfig(backbone=AdapterConfig(pyramid_gate=1.0), head=UPerNetConfig(channels=128)),
            data=DataConfig(augmentation=AugmentationConfig(crop=None)),
            training=TrainingConfig(class_weights="auto", layer_decay=0.65),
        )

    def classes(self) -> ClassTable:
        """The classes are those of the data.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{self.name} is not a published model: its classes are those of the data it is trained on"
        )
