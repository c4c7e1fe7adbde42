"""The rows of the nuclei study: what each tells, and what differs from the laptop's choice."""

from dataclasses import dataclass, field, replace
from typing import Any

from vit_adapter.config import (
    AdapterConfig,
    AugmentationConfig,
    DataConfig,
    InferenceConfig,
    Mask2FormerConfig,
    ModelConfig,
    ObjectConfig,
    RunConfig,
    TrainingConfig,
    ViTConfig,
)
from vit_adapter.config.model import changed_model

CROP = 256


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        title: What it is, as the table names it.
        model: Settings of ``ModelConfig``, by their full names, that differ from the laptop's choice.
        training: Settings of ``TrainingConfig`` that differ.
        augmentation: Settings of ``AugmentationConfig`` that differ.
        protocol: Settings of ``InferenceConfig`` that differ.
    """

    title: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)

    def config(self, weights: str, data: str, out: str) -> RunConfig:
        """All settings of its run.

        A quarter of the points that published models take is enough for a crop of a sixteenth of their pixels; a
        window holds up to a hundred nuclei and more, so every query may be an object.
        """
        model = ModelConfig(
            ViTConfig(name="vit_small_patch14_dinov2", pretrained=weights, frozen="vit", drop_path_rate=0.0),
            AdapterConfig(injectors=False),
            Mask2FormerConfig(queries=100, encoder_layers=3, decoder_layers=3, loss_points=3136),
        )
        training = TrainingConfig(
            steps=500,
            batch_size=4,
            learning_rate=5e-4,
            warmup_steps=25,
            clip_gradient_norm=0.01,
            checkpoint_every=50,
            out=out,
            quiet=True,
        )
        augmentation = AugmentationConfig(
            scale_range=(0.6, 1.6), crop=CROP, category_max_ratio=1.0, vertical_flip=0.5, photometric=True
        )
        protocol = InferenceConfig(
            crop=CROP, stride=CROP * 2 // 3, objects=ObjectConfig(score_threshold=0.5, max_objects=500)
        )
        return RunConfig(
            changed_model(model, self.model),
            DataConfig(root=data, workers=0, augmentation=replace(augmentation, **self.augmentation)),
            replace(training, **self.training),
            protocol=replace(protocol, **self.protocol),
            task="instance",
        )


TUNED_MODEL = {"vit.frozen": None, "backbone.injectors": True}
# The ViT's blocks learn the slower the nearer they are to the image; adapter and head at the full rate.
TUNED_TRAINING = {"layer_decay": 0.65}
LONG = {"steps": 2000, "warmup_steps": 100}
MORE_QUERIES = {"head.queries": 300}
ALONE = {"backbone.kind": "pyramid"}

SMALL = {
    "head.channels": 128,
    "head.encoder_layers": 1,
    "head.encoder_feedforward": 512,
    "head.decoder_feedforward": 512,
    "head.loss_points": 1024,
}

# What a CPU does in less than a second an image: extractors without what costs time, a small head.
LIGHT = {
    **SMALL,
    "head.heads": 4,
    "head.encoder_feedforward": 256,
    "backbone.extra_extractors": False,
    "backbone.cffn_ratio": None,
    "backbone.conv_inplanes": 32,
    "backbone.deform_ratio": 0.5,
}
ENLARGED: dict[str, Any] = {"augmentation": {"scale_range": (1.0, 2.0)}, "protocol": {"scales": (1.5,)}}

ROWS: dict[str, Row] = {
    "small": Row(
        "the laptop's choice, head 128 wide with 1 encoder layer, batch 2, 300 steps at 2e-3",
        model=SMALL,
        training={"steps": 300, "batch_size": 2, "learning_rate": 2e-3, "warmup_steps": 15},
    ),
    "light-enlarged": Row(
        "frozen ViT, light extractors, the small head, images 1.5 times as large, 3e-3",
        model=LIGHT,
        training={"learning_rate": 3e-3, "warmup_steps": 40},
        **ENLARGED,
    ),
    "light-enlarged-long": Row(
        "the same, 2000 steps", model=LIGHT, training={**LONG, "learning_rate": 3e-3}, **ENLARGED
    ),
    "laptop": Row("frozen ViT, extractors only (the laptop's choice)"),
    "vit-frozen": Row("frozen ViT alone", model=ALONE),
    "method": Row("tuned ViT, adapter (the method)", model=TUNED_MODEL, training=TUNED_TRAINING),
    "vit-tuned": Row("tuned ViT alone", model={**ALONE, "vit.frozen": None}, training=TUNED_TRAINING),
    "laptop-queries": Row("the laptop's choice, 300 queries", model=MORE_QUERIES),
    "laptop-deeper": Row("the laptop's choice, 6 decoder layers", model={"head.decoder_layers": 6}),
    "laptop-faster": Row("the laptop's choice at twice the rate", training={"learning_rate": 1e-3}),
    "laptop-larger": Row(
        "the laptop's choice, images twice as large",
        augmentation={"scale_range": (1.2, 3.2)},
        protocol={"scales": (2.0,)},
    ),
    "laptop-long": Row("the laptop's choice, 2000 steps", training=LONG),
    "method-long": Row(
        "the method, 300 queries, 2000 steps",
        model={**TUNED_MODEL, **MORE_QUERIES},
        training={**TUNED_TRAINING, **LONG},
    ),
}
