"""The published model of COCO panoptic (behaviour 168)."""

from dataclasses import replace

from vit_adapter.config import (
    Mask2FormerConfig,
    TrainingConfig,
)

from .detection_bases import BEIT_ADAPTER, beit_in_windows, coco_recipe, release_file

PANOPTIC_NAME = "mask2former_beitv2_adapter_large_16x1_3x_coco-panoptic"
PANOPTIC = replace(
    coco_recipe(
        PANOPTIC_NAME,
        "beitv2_large",
        beit_in_windows("beitv2_large"),
        Mask2FormerConfig(),
        347974534,
        (52.9, 48.9),
        release_file("panoptic", PANOPTIC_NAME, ".pth"),
        backbone=BEIT_ADAPTER,
        training=TrainingConfig(
            steps=265_500,
            batch_size=1,
            order="endless_shapes",
            learning_rate=1e-4,
            weight_decay=0.05,
            layer_decay=0.9,
            query_layer_decay=False,
            warmup_steps=0,
            schedule="steps",
            milestones=(191_750, 236_000),
            clip_gradient_norm=0.01,
            validate_every=5000,
            checkpoint_every=5000,
        ),
        pipeline="panoptic",
    ),
    stuff=True,
)
