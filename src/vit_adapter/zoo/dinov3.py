"""DINOv3's published segmentation model: frozen ViT-7B, extractors alone, Mask2Former 2048 wide (behaviour 116)."""

from dataclasses import replace

from vit_adapter.config import (
    InferenceConfig,
    Mask2FormerConfig,
    TrainingConfig,
    ViTConfig,
)

from .bases import augmentation, beside_frozen_vit
from .pretraining import DINOV3_LICENCE, PRETRAINED
from .recipe import Recipe

_SIDE = 896

_MODEL = beside_frozen_vit(
    ViTConfig(
        name=PRETRAINED["dinov3_7b"].timm_name or "",
        drop_path_rate=0.3,
        pretraining_parts=("mask_token", "local_cls_norm"),
        grad_checkpointing=True,
    ),
    Mask2FormerConfig(
        queries=100,
        channels=2048,
        heads=16,
        encoder_feedforward=4096,
        decoder_feedforward=4096,
        matrix_init="uniform",
        float32_pixel_decoder=True,
    ),
)

_SINGLE = InferenceConfig(
    resize=(_SIDE, _SIDE),
    resize_rule="fixed_side",
    antialias=True,
    multiple=None,
    crop=_SIDE,
    stride=596,
    small_windows="square",
    resize_answers=True,
)

DINOV3: tuple[Recipe, ...] = (
    Recipe(
        name="mask2former_dinov3_adapter_7b_896_ade20k",
        dataset="ade20k",
        pretraining="dinov3_7b",
        model=_MODEL,
        # No training of this head is published: these settings are ours.
        training=TrainingConfig(
            steps=40_000, batch_size=1, accumulate=16, learning_rate=1e-4, warmup_steps=1500
        ),
        augmentation=augmentation((4 * _SIDE, _SIDE), _SIDE),
        protocol=_SINGLE,
        multi_scale=replace(_SINGLE, scales=(0.9, 0.95, 1.0, 1.05, 1.1), flip=True),
        parameters=7_643_463_639,
        licence=DINOV3_LICENCE,
        origin="dinov3",
        total_batch=None,
    ),
)
"""Two files, which their authors give to those who accept their licence; ``vit`` and ``checkpoint`` of ``load``."""
