"""The published models of HTC++."""

from dataclasses import replace

from vit_adapter.config import (
    AdapterConfig,
    HTCConfig,
    ViTConfig,
)

from .detection_bases import (
    ADAPTER,
    BEIT_ADAPTER,
    beit_in_windows,
    coco_recipe,
    release_file,
    schedule_3x,
    voting_views,
    whole_images,
    windowed_vit,
)
from .detection_recipe import DetectionRecipe


def _htc(
    name: str,
    pretraining: str,
    vit: ViTConfig,
    backbone: AdapterConfig,
    parameters: int,
    ap: tuple[float, float] | None = None,
    multi_scale_ap: tuple[float, float] | None = None,
    checkpoint: str | None = None,
    detections: int = 100,
    drop_path: float = 0.3,
    long: int = 3000,
) -> DetectionRecipe:
    head = HTCConfig(attention_drop_path=drop_path, semantic_classes=183, detections=detections)
    base = coco_recipe(
        name,
        pretraining,
        vit,
        head,
        parameters,
        ap or (None, None),
        checkpoint,
        backbone=backbone,
        training=replace(schedule_3x(0.9), batch_size=1),
        pipeline="htc",
    )
    return replace(
        base,
        protocol=whole_images((1600, 1400), count=detections),
        multi_scale=voting_views(long) if multi_scale_ap else None,
        multi_scale_ap=multi_scale_ap,
    )


HTC = [
    _htc(
        name := "htc++_augreg_adapter_large_fpn_3x_coco",
        "augreg_large",
        windowed_vit("augreg_large", 0.4, 24, img_size=384, grad_checkpointing=True),
        ADAPTER,
        400319861,
        (56.6, 49.0),
        (57.7, 49.9),
        release_file("v0.3.1", name, ".pth"),
        detections=300,
        drop_path=0.4,
        long=1600,
    ),
    _htc(
        name := "htc++_beit_adapter_large_fpn_3x_coco",
        "beit_large",
        beit_in_windows("beit_large"),
        BEIT_ADAPTER,
        400726261,
        (58.4, 50.8),
        (60.2, 52.2),
        release_file("0.3.0", name),
    ),
    _htc(
        name := "htc++_beitv2_adapter_large_fpn_3x_coco",
        "beitv2_large",
        beit_in_windows("beitv2_large"),
        BEIT_ADAPTER,
        400726261,
        (58.8, 51.1),
        (60.5, 52.5),
        release_file("v0.3.1", name, ".pth"),
    ),
    _htc(
        "htc++_beit_adapter_large_fpn_3x_coco_old",
        "beit_large",
        beit_in_windows("beit_large", 0.3),
        replace(BEIT_ADAPTER, vit_feature="stages"),
        400726261,
    ),
    _htc(
        "htc++_uniperceiver_adapter_large_fpn_3x_coco",
        "uniperceiver_large",
        windowed_vit("uniperceiver_large", 0.4, 24),
        ADAPTER,
        399939957,
        drop_path=0.4,
    ),
]
OBJECTS365_NAME = "htc++_beitv2_adapter_large_fpn_o365_coco"
OBJECTS365 = replace(
    coco_recipe(
        OBJECTS365_NAME,
        "beitv2_large",
        beit_in_windows("beitv2_large", 0.3, recompute=True),
        HTCConfig(neck_norm="group", box_norm="batch", box_loss="giou", semantic_classes=183),
        400731381,
        (61.8, 53.0),
        release_file("v0.3.1", OBJECTS365_NAME, ".pth"),
        backbone=BEIT_ADAPTER,
        training=replace(
            schedule_3x(0.8),
            steps=20_000,
            order="endless_shapes",
            milestones=(),
            clip_gradient_norm=0.1,
            validate_every=1000,
        ),
        pipeline="objects365",
    ),
    protocol=whole_images((2000, 1000)),
    multi_scale=voting_views(),
    multi_scale_ap=(62.6, 54.2),
    total_batch=64,
    start="htc++_beitv2_adapter_large_fpn_o365.pth",
)
