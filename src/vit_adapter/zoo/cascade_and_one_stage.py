"""The published models of Cascade Mask R-CNN, ATSS, GFL and Sparse R-CNN."""

from dataclasses import replace

from vit_adapter.config import (
    ATSSConfig,
    BlockPyramidConfig,
    CascadeConfig,
    GFLConfig,
    SparseRCNNConfig,
)

from .detection_bases import coco_recipe, deit, release_file, schedule_3x, windowed_vit

CASCADE = [
    *(
        coco_recipe(
            name := f"cascade_mask_rcnn_deit_adapter_{size}_fpn_3x_coco",
            f"deit_{size}",
            deit(size),
            CascadeConfig(),
            parameters,
            ap,
            release_file(release, name, ending),
            half=True,
        )
        for size, parameters, ap, release, ending in (
            ("small", 85637570, (51.5, 44.3), "v0.1.3", ".pth.tar"),
            ("base", 158022290, (52.1, 44.8), "v0.3.1", ".pth"),
        )
    ),
    coco_recipe(
        "cascade_mask_rcnn_deit_base_fpn_3x_coco",
        "deit_base",
        windowed_vit("deit_base", 0.2),
        CascadeConfig(),
        151429554,
        backbone=BlockPyramidConfig(),
        training=replace(schedule_3x(), batch_size=1),
        half=True,
    ),
]
ONE_STAGE = [
    coco_recipe(
        name := "atss_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        deit("small"),
        ATSSConfig(),
        35668586,
        (49.6, None),
        release_file("v0.1.5", name),
        half=True,
    ),
    coco_recipe(
        name := "gfl_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        deit("small"),
        GFLConfig(),
        35813801,
        (50.0, None),
        release_file("v0.1.6", name),
        half=True,
    ),
    coco_recipe(
        name := "sparse_rcnn_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        deit("small"),
        SparseRCNNConfig(),
        109748920,
        (48.1, None),
        release_file("v0.1.6", name),
        training=replace(schedule_3x(), clip_gradient_norm=1.0),
    ),
]
