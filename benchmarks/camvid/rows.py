"""The rows of the CamVid study: what each tells, and what differs from the laptop's choice."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vit_adapter.config import (
    AdapterConfig,
    AugmentationConfig,
    DataConfig,
    InferenceConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    UPerNetConfig,
    ViTConfig,
)
from vit_adapter.config.model import changed_model

CROP = 256


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        title: What it is, as the table names it.
        kind: "train", or a floor that learns no network: "majority", "pixels".
        images: Training images, evenly spaced over the 367; None: all.
        linear: One linear layer on the ViT's last tokens in place of pyramid and UperNet.
        model: Settings of ``ModelConfig``, by their full names, that differ from the laptop's choice.
        training: Settings of ``TrainingConfig`` that differ.
        augmentation: Settings of ``AugmentationConfig`` that differ.
        protocol: How validation images are read; None: in windows of the crop at native resolution.
    """

    title: str
    kind: Literal["train", "majority", "pixels"] = "train"
    images: int | None = None
    linear: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    protocol: InferenceConfig | None = None

    def config(self, weights: str, data: str, out: str) -> RunConfig:
        """All settings of its run."""
        model = ModelConfig(
            ViTConfig(name="vit_small_patch14_dinov2", pretrained=weights, frozen="vit", drop_path_rate=0.0),
            AdapterConfig(injectors=False),
            UPerNetConfig(channels=128, auxiliary=False),
        )
        training = TrainingConfig(
            steps=300,
            batch_size=4,
            learning_rate=2e-3,
            warmup_steps=15,
            class_weights="auto",
            checkpoint_every=50,
            out=out,
            quiet=True,
        )
        augmentation = AugmentationConfig(
            scale_range=(0.6, 1.6), crop=CROP, category_max_ratio=1.0, photometric=False
        )
        return RunConfig(
            changed_model(model, self.model),
            DataConfig(
                root=data, layout="camvid", workers=0, augmentation=replace(augmentation, **self.augmentation)
            ),
            replace(training, **self.training),
            protocol=self.protocol,
        )


TUNED_MODEL = {"vit.frozen": None, "backbone.injectors": True}
# The ViT's blocks learn the slower the nearer they are to the image; adapter and head at the full rate.
TUNED_TRAINING = {"learning_rate": 1e-3, "layer_decay": 0.65}
LONG = {"steps": 1500, "warmup_steps": 75, "validate_every": 750}
TUNED_LONG = {**TUNED_TRAINING, **LONG}
ALONE = {"backbone.kind": "pyramid"}
ALONE_TUNED = {**ALONE, "vit.frozen": None}
LARGER: dict[str, Any] = {
    "augmentation": {"scale_range": (0.9, 2.4)},
    "protocol": InferenceConfig(resize=(720, 540), crop=CROP, stride=CROP * 2 // 3),
}
GATED = {"backbone.pyramid_gate": 0.0}
LEVELLED = {"backbone.pyramid_gate": 1.0}
TWICE: dict[str, Any] = {
    "augmentation": {"scale_range": (1.2, 3.2), "crop": 384},
    "protocol": InferenceConfig(resize=(960, 720), crop=384, stride=256),
}

ROWS: dict[str, Row] = {
    "majority": Row("the most frequent class everywhere", kind="majority"),
    "pixels": Row("colour and position of a pixel (boosted trees)", kind="pixels"),
    "linear": Row("frozen ViT, one linear layer", linear=True, model=ALONE),
    "vit-frozen": Row("frozen ViT alone, UperNet", model=ALONE),
    "vit-tuned": Row(
        "tuned ViT alone, UperNet",
        model=ALONE_TUNED,
        training=TUNED_TRAINING,
    ),
    "laptop": Row("frozen ViT, extractors only, UperNet (the laptop's choice)"),
    "method": Row("tuned ViT, adapter, UperNet (the method)", model=TUNED_MODEL, training=TUNED_TRAINING),
    "method-random": Row(
        "the method from random weights",
        model={**TUNED_MODEL, "vit.pretrained": False},
        training={"learning_rate": 1e-3},
    ),
    "laptop-gated": Row(
        "the laptop's choice, both parts of the pyramid normalised, the adapter's from 0", model=GATED
    ),
    "laptop-levelled": Row(
        "the laptop's choice, both parts of the pyramid normalised, both from weight 1", model=LEVELLED
    ),
    "method-gated": Row(
        "the method, both parts of the pyramid normalised, the adapter's from 0",
        model={**TUNED_MODEL, **GATED},
        training=TUNED_TRAINING,
    ),
    "method-levelled": Row(
        "the method, both parts of the pyramid normalised, both from weight 1",
        model={**TUNED_MODEL, **LEVELLED},
        training=TUNED_TRAINING,
    ),
    "laptop-10": Row("the laptop's choice, 10 training images", images=10),
    "laptop-37": Row("the laptop's choice, 37 training images", images=37),
    "laptop-no-weights": Row("the laptop's choice, no class weights", training={"class_weights": None}),
    "laptop-batch-1": Row(
        "the laptop's choice, group norm, batch 1 accumulated 4 times",
        model={"norm": "group"},
        training={"batch_size": 1, "accumulate": 4},
    ),
    "laptop-dice": Row("the laptop's choice, Dice loss beside cross entropy", training={"dice_weight": 1.0}),
    "laptop-larger": Row("the laptop's choice, images half as large again", **LARGER),
    "laptop-normed": Row(
        "the laptop's choice, the ViT read through its final norm", model={"vit.final_norm": True}
    ),
    "laptop-late": Row(
        "the laptop's choice, reading blocks 9 to 12 in place of 3, 6, 9 and 12",
        model={"backbone.interaction_indexes": [(0, 8), (9, 9), (10, 10), (11, 11)]},
    ),
    "laptop-clip": Row("the laptop's choice, gradients clipped", training={"clip_gradient_norm": 0.5}),
    "laptop-200": Row("the laptop's choice, 200 steps", training={"steps": 200, "warmup_steps": 10}),
    "laptop-long": Row("the laptop's choice, 1500 steps", training=LONG),
    "laptop-long-slower": Row(
        "the laptop's choice at half the rate, 1500 steps", training={**LONG, "learning_rate": 1e-3}
    ),
    "method-long": Row("the method, 1500 steps", model=TUNED_MODEL, training=TUNED_LONG),
    "laptop-gated-long": Row(
        "the laptop's choice, both parts of the pyramid normalised, the adapter's from 0, 1500 steps",
        model=GATED,
        training=LONG,
    ),
    "method-gated-long": Row(
        "the method, both parts of the pyramid normalised, the adapter's from 0, 1500 steps",
        model={**TUNED_MODEL, **GATED},
        training=TUNED_LONG,
    ),
    "vit-frozen-long": Row("frozen ViT alone, 1500 steps", model=ALONE, training=LONG),
    "vit-tuned-long": Row(
        "tuned ViT alone, 1500 steps",
        model=ALONE_TUNED,
        training=TUNED_LONG,
    ),
    "laptop-long-larger": Row(
        "the laptop's choice, images half as large again, 1500 steps", training=LONG, **LARGER
    ),
    "method-long-larger": Row(
        "the method, images half as large again, 1500 steps",
        model=TUNED_MODEL,
        training=TUNED_LONG,
        **LARGER,
    ),
    "method-long-dice": Row(
        "the method, Dice loss, 1500 steps",
        model=TUNED_MODEL,
        training={**TUNED_LONG, "dice_weight": 1.0},
    ),
    "laptop-long-twice": Row(
        "the laptop's choice, images twice as large, crop 384, 1500 steps", training=LONG, **TWICE
    ),
    "method-long-twice": Row(
        "the method, images twice as large, crop 384, 1500 steps",
        model=TUNED_MODEL,
        training=TUNED_LONG,
        **TWICE,
    ),
    "vit-tuned-long-twice": Row(
        "tuned ViT alone, images twice as large, crop 384, 1500 steps",
        model=ALONE_TUNED,
        training=TUNED_LONG,
        **TWICE,
    ),
    "method-longest-twice": Row(
        "the method, images twice as large, crop 384, Dice loss, 3000 steps",
        model=TUNED_MODEL,
        training={
            **TUNED_LONG,
            "steps": 3000,
            "warmup_steps": 150,
            "validate_every": 1500,
            "dice_weight": 1.0,
        },
        **TWICE,
    ),
}
