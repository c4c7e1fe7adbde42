"""The settings of ``vit-adapter demo``."""

from dataclasses import replace
from typing import Literal

from vit_adapter.config import (
    ATSSConfig,
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    InputError,
    Mask2FormerConfig,
    MaskRCNNConfig,
    ModelConfig,
    ObjectConfig,
    RunConfig,
    TrainingConfig,
    UPerNetConfig,
    ViTConfig,
)

from .bases import light_adapter

DEMO_STEPS = 540
"""Optimiser steps: the number decides the score, the machine only the time."""
OBJECT_DEMO_STEPS = 1200
"""The same with Mask2Former."""

DemoHead = Literal["upernet", "mask2former", "mask_rcnn", "atss"]


def demo_config(
    out: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    quiet: bool = False,
    head: DemoHead = "upernet",
) -> RunConfig:
    """The settings of the demo: a ViT of four blocks, 128-pixel scenes, random weights.

    With UperNet it learns a class for every pixel; with Mask2Former every car and every person as well (panoptic);
    with Mask R-CNN the boxes and masks of cars and people, measured by their boxes; with ATSS their boxes alone.
    Steps are ``DEMO_STEPS`` or ``OBJECT_DEMO_STEPS`` unless their number is given.

    One cheap interaction around all blocks: from random weights the spatial prior earns the gain, more interactions
    cost time and score (benchmarks/demo).

    Raises:
        InputError: There is no demo with such a head.
    """
    if head == "mask2former":
        return _with_objects(demo_config(out, steps or OBJECT_DEMO_STEPS, seed, quiet))
    if head == "mask_rcnn":
        return _with_boxes(demo_config(out, steps, seed, quiet))
    if head == "atss":
        return _with_dense_boxes(demo_config(out, steps, seed, quiet))
    if head != "upernet":
        raise InputError(f"--head {head}: expected upernet, mask2former, mask_rcnn or atss")
    steps = steps or DEMO_STEPS
    return RunConfig(
        model=ModelConfig(
            ViTConfig(
                name="vit_tiny_patch16_224",
                options={"depth": 4, "embed_dim": 96},
                pretrained=False,
                img_size=128,
                drop_path_rate=0.0,
            ),
            replace(light_adapter(4), deform_heads=3, deform_points=2, deform_ratio=0.5, conv_inplanes=32),
            UPerNetConfig(channels=48, dropout=0.0, auxiliary=False),
        ),
        data=DataConfig(
            layout="scenes",
            scenes=(2500, 100),
            scene_size=128,
            workers=0,
            augmentation=AugmentationConfig(
                scale_range=(1.0, 1.0), crop=128, category_max_ratio=1.0, photometric=False
            ),
        ),
        training=TrainingConfig(
            steps=steps,
            batch_size=8,
            learning_rate=6e-3,
            betas=(0.9, 0.95),
            clip_gradient_norm=0.5,
            dice_weight=1.0,
            warmup_steps=min(50, steps // 4),
            validate_every=max(1, steps // 4),
            seed=seed,
            out=out,
            quiet=quiet,
        ),
        evaluation=EvaluationConfig(batch_size=16),
        protocol=InferenceConfig(mode="whole", crop=128, stride=85),
    )


def _with_objects(base: RunConfig) -> RunConfig:
    """A small Mask2Former head on the same pyramid.

    768 points of a mask are a twentieth of the pixels of a scene; a model of so few steps is less sure than a
    published one, so its segments need less probability. The rate is near the highest that learns: after 300 steps a
    rate of 2e-3 gives a panoptic quality of 0.535, 4e-3 0.568, 8e-3 0.589, and 16e-3 fails.
    """
    head = Mask2FormerConfig(
        queries=40,
        channels=64,
        heads=4,
        encoder_layers=1,
        decoder_layers=3,
        encoder_feedforward=128,
        decoder_feedforward=256,
        loss_points=768,
    )
    assert isinstance(base.protocol, InferenceConfig)
    return replace(
        base,
        task="panoptic",
        model=replace(base.model, head=head),
        training=replace(base.training, learning_rate=7e-3, warmup_steps=min(100, base.training.steps // 4)),
        protocol=replace(base.protocol, objects=ObjectConfig(segment_threshold=0.5, overlap_threshold=0.6)),
    )


def _with_boxes(base: RunConfig) -> RunConfig:
    """A small Mask R-CNN on the same pyramid.

    Half of the cars and people are smaller than 12 x 12 pixels, so the finest anchors have sides of 8.
    """
    head = MaskRCNNConfig(
        channels=48,
        anchor_scale=2.0,
        box_width=128,
        training_proposals=100,
        proposals=100,
        proposal_samples=64,
        region_samples=64,
    )
    return replace(
        base,
        task="detection",
        model=replace(base.model, head=head),
        training=replace(base.training, learning_rate=4e-3),
    )


def _with_dense_boxes(base: RunConfig) -> RunConfig:
    """A small ATSS on the same pyramid, from its finest map on: a cell of 8 pixels is as large as many a person."""
    head = ATSSConfig(channels=48, convolutions=2, finest_stride=4, anchor_scale=4.0)
    return replace(
        base,
        task="detection",
        model=replace(base.model, head=head),
        training=replace(base.training, learning_rate=4e-3),
    )
