"""The published models of Mask R-CNN."""

from dataclasses import replace

from vit_adapter.config import (
    BlockPyramidConfig,
    MaskRCNNConfig,
    PipelineName,
    TrainingConfig,
    ViTConfig,
)

from .bases import HALF
from .detection_bases import (
    ADAPTER,
    HUB,
    LARGE_LAST,
    coco_recipe,
    deit,
    release_file,
    schedule_1x,
    schedule_3x,
    schedule_jitter,
    windowed_vit,
    windows,
)

AUGREG: tuple[tuple[PipelineName, tuple[float | None, float | None], TrainingConfig], ...] = (
    ("3x", (52.1, 46.0), schedule_3x(0.8)),
    ("1x", (None, None), schedule_1x(0.8)),
)
MASK_RCNN = [
    *(
        coco_recipe(
            name := f"mask_rcnn_deit_adapter_{size}_fpn_3x_coco",
            f"deit_{size}",
            deit(size),
            MaskRCNNConfig(),
            parameters,
            ap,
            release_file(release, name),
        )
        for size, parameters, ap, release in (
            ("tiny", 28068512, (46.0, 41.0), "v0.1.2"),
            ("small", 47802368, (48.2, 42.8), "v0.1.2"),
            ("base", 120187088, (49.6, 43.6), "v0.1.6"),
        )
    ),
    *(
        coco_recipe(
            f"mask_rcnn_deit_adapter_{size}_fpn_1x_coco",
            f"deit_{size}",
            deit(size),
            MaskRCNNConfig(),
            parameters,
            ap,
            checkpoint,
            training=replace(schedule_1x(), learning_rate=rate, weight_decay=decay),
            pipeline="1x",
        )
        for size, parameters, ap, rate, decay, checkpoint in (
            (
                "tiny",
                28068512,
                (41.1, 37.5),
                2e-4,
                0.01,
                f"{HUB}/mask_rcnn_deit_adapter_tiny_fpn_1x_coco.pth",
            ),
            ("small", 47802368, (44.7, 39.9), 1e-4, 0.05, None),
            ("base", 120187088, (47.0, 41.8), 1e-4, 0.05, None),
        )
    ),
    *(
        coco_recipe(
            name := f"mask_rcnn_deit_{size}_fpn_3x_coco",
            f"deit_{size}",
            windowed_vit(f"deit_{size}", 0.1),
            MaskRCNNConfig(),
            parameters,
            ap,
            release_file("v0.3.1", name),
            backbone=BlockPyramidConfig(),
        )
        for size, parameters, ap in (
            ("tiny", 26075184, (40.2, 37.0)),
            ("small", 43746672, (44.0, 39.9)),
            ("base", 113594352, (45.8, 41.3)),
        )
    ),
    coco_recipe(
        name := "mask_rcnn_deit_adapter_small_3x_coco",
        "deit_small",
        deit("small"),
        MaskRCNNConfig(neck="channel_mapper"),
        45442048,
        (48.2, 42.7),
        release_file("v0.1.6", name),
        half=True,
    ),
    coco_recipe(
        name := "mask_rcnn_uniperceiver_adapter_base_fpn_3x_coco",
        "uniperceiver_base",
        ViTConfig(
            name="uniperceiver_large",
            options={"embed_dim": 768, "depth": 12, "num_heads": 12},
            drop_path_rate=0.2,
            window_sizes=windows(12),
        ),
        MaskRCNNConfig(),
        120194000,
        (51.2, 45.3),
        release_file("v0.3.1", name, ".pth"),
        training=schedule_3x(0.65),
    ),
    *(
        coco_recipe(
            name := f"mask_rcnn_augreg_adapter_large_fpn_{schedule}_coco",
            "augreg_large",
            windowed_vit("augreg_large", 0.4, 24, img_size=384),
            MaskRCNNConfig(),
            347927472,
            ap,
            release_file("v0.3.1", name, ".pth") if ap[0] else None,
            training=training,
            pipeline=schedule,
            normalization=HALF,
        )
        for schedule, ap, training in AUGREG
    ),
    coco_recipe(
        name := "mask_rcnn_augreg_large_fpn_3x_coco",
        "augreg_large",
        windowed_vit("augreg_large", 0.4, 24, img_size=384),
        MaskRCNNConfig(),
        337286896,
        (48.3, 43.3),
        release_file("v0.3.1", name),
        backbone=BlockPyramidConfig(out_indices=LARGE_LAST),
        training=schedule_3x(0.8),
        normalization=HALF,
    ),
    *(
        coco_recipe(
            name := f"mask_rcnn_dinov2_adapter_{size}_fpn_3x_coco",
            f"dinov2_{size}",
            windowed_vit(f"dinov2_{size}", drop, depth, img_size=592, prefix_tokens=False, layer_scale=1.0),
            MaskRCNNConfig(),
            parameters,
            ap,
            f"{HUB}/{name}.pth",
            training=schedule_3x(decay),
        )
        for size, drop, depth, decay, parameters, ap in (
            ("small", 0.2, 12, 0.7, 48252800, (51.5, 45.6)),
            ("base", 0.3, 12, 0.6, 121087952, (54.1, 47.8)),
            ("large", 0.4, 24, 0.65, 348739504, (55.3, 49.0)),
        )
    ),
    *(
        coco_recipe(
            name := f"mask_rcnn_mae_adapter_base_lsj_fpn_{epochs}ep_coco",
            "mae_base",
            windowed_vit("mae_base", drop, no_layer_scale=True),
            MaskRCNNConfig(
                neck_norm="batch",
                proposal_convolutions=2,
                box_convolutions=4,
                box_layers=1,
                region_norm="batch",
            ),
            120065328,
            ap,
            release_file("v0.1.4", name),
            backbone=replace(ADAPTER, extra_extractors=False),
            training=schedule_jitter(epochs),
            pipeline="lsj",
            half=True,
        )
        for epochs, drop, ap in ((25, 0.1, (50.3, 44.7)), (50, 0.2, (50.8, 45.1)))
    ),
]
