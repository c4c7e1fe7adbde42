"""The settings of ``vit-adapter demo``."""

from dataclasses import replace

from vit_adapter.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    UPerNetConfig,
    ViTConfig,
)

from .bases import light_adapter

DEMO_STEPS = 540
"""Optimiser steps: the number decides the score, the machine only the time."""


def demo_config(
    out: str | None = None, steps: int = DEMO_STEPS, seed: int = 0, quiet: bool = False
) -> RunConfig:
    """The settings of the demo: a ViT of four blocks, 128-pixel scenes, random weights.

    One cheap interaction around all blocks: from random weights the spatial prior earns the gain, more interactions
    cost time and score (benchmarks/demo).
    """
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
