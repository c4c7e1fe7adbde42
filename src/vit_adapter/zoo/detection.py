"""The published detectors, and the published model of COCO panoptic."""

from dataclasses import replace

from vit_adapter.config import (
    AdapterConfig,
    ATSSConfig,
    BlockPyramidConfig,
    CascadeConfig,
    GFLConfig,
    HeadConfig,
    HTCConfig,
    InferenceConfig,
    Mask2FormerConfig,
    MaskRCNNConfig,
    ModelConfig,
    Normalization,
    SparseRCNNConfig,
    TrainingConfig,
    ViTConfig,
)

from .bases import HALF, IMAGENET
from .detection_recipe import DetectionRecipe, Pipeline
from .pretraining import PRETRAINED

_RELEASES = "https://github.com/czczup/ViT-Adapter/releases/download"
_HUB = "https://huggingface.co/czczup/ViT-Adapter/resolve/main"
STEPS_PER_EPOCH = 7330
"""Of 117,266 images of COCO train2017 that show an object, 16 in a step, wide and high ones apart."""
BASIC = (1333, 800)
_SHORT_SIDES = (600, 800, 1000, 1200, 1400, 1600)
_LARGE_LAST = (5, 11, 17, 23)
"""Blocks with a wider window, or none, in the ViTs of 24 blocks; in those of 12 it is every third one."""


def _windows(depth: int, wide: int | None = None) -> list[int | None]:
    every = depth // 4
    return [wide if block % every == every - 1 else 14 for block in range(depth)]


def _vit(key: str, drop_path: float, depth: int = 12, wide: int | None = None, **settings) -> ViTConfig:
    name = PRETRAINED[key].timm_name or key
    return ViTConfig(name=name, drop_path_rate=drop_path, window_sizes=_windows(depth, wide), **settings)


_DEIT_DROPS = {"tiny": 0.1, "small": 0.2, "base": 0.3}
_ADAPTER = AdapterConfig(vit_feature="last")
_BEIT_ADAPTER = AdapterConfig(vit_feature="last", injector_init=1e-6)


def _beit(key: str, drop_path: float = 0.4, recompute: bool = False) -> ViTConfig:
    """Windows of 14, the last block of each quarter 56; without class token."""
    return _vit(key, drop_path, 24, 56, layer_scale=1e-6, prefix_tokens=False, grad_checkpointing=recompute)


def _test(
    *sizes: tuple[int, int], flip: bool = False, normalization: Normalization = IMAGENET
) -> InferenceConfig:
    return InferenceConfig(
        resizes=sizes, multiple=None, pad_to_multiple=32, mode="whole", flip=flip, normalization=normalization
    )


def _training(epochs: int, milestones: tuple[int, int], layer_decay: float | None = None) -> TrainingConfig:
    """The published optimiser; without layer decay its rules by name hold."""
    return TrainingConfig(
        steps=epochs * STEPS_PER_EPOCH,
        batch_size=2,
        learning_rate=1e-4,
        weight_decay=0.05,
        layer_decay=layer_decay,
        parameter_rules="names" if layer_decay is None else "layers",
        warmup_steps=500,
        warmup_ratio=0.001,
        schedule="steps",
        milestones=(milestones[0] * STEPS_PER_EPOCH, milestones[1] * STEPS_PER_EPOCH),
        validate_every=STEPS_PER_EPOCH,
        checkpoint_every=1000,
    )


def _three(layer_decay: float | None = None) -> TrainingConfig:
    return _training(36, (27, 33), layer_decay)


def _one(layer_decay: float | None = None) -> TrainingConfig:
    return _training(12, (8, 11), layer_decay)


def _jitter(epochs: int) -> TrainingConfig:
    return replace(
        _training(epochs, (1, 2)),
        schedule="cosine",
        milestones=(),
        cosine_every=STEPS_PER_EPOCH,
        cosine_floor=0.01,
        warmup_steps=2000,
    )


def _recipe(
    name: str,
    pretraining: str,
    vit: ViTConfig,
    head: HeadConfig,
    parameters: int,
    ap: tuple[float | None, float | None] = (None, None),
    checkpoint: str | None = None,
    *,
    backbone: AdapterConfig | BlockPyramidConfig = _ADAPTER,
    training: TrainingConfig | None = None,
    pipeline: Pipeline = "3x",
    normalization: Normalization = IMAGENET,
    half: bool = False,
) -> DetectionRecipe:
    url = None if checkpoint is None else checkpoint if "://" in checkpoint else f"{_RELEASES}/{checkpoint}"
    return DetectionRecipe(
        name=name,
        pretraining=pretraining,
        model=ModelConfig(vit, backbone, head),
        training=training or _three(),
        pipeline=pipeline,
        protocol=_test(BASIC, normalization=normalization),
        parameters=parameters,
        checkpoint_url=url,
        box_ap=ap[0],
        mask_ap=ap[1],
        half_precision_training=half,
    )


def _deit(size: str) -> ViTConfig:
    return _vit(f"deit_{size}", _DEIT_DROPS[size])


def _file(release: str, name: str, ending: str = ".pth.tar") -> str:
    return f"{release}/{name}{ending}"


_AUGREG: tuple[tuple[Pipeline, tuple[float | None, float | None], TrainingConfig], ...] = (
    ("3x", (52.1, 46.0), _three(0.8)),
    ("1x", (None, None), _one(0.8)),
)
_MASK_RCNN = [
    *(
        _recipe(
            name := f"mask_rcnn_deit_adapter_{size}_fpn_3x_coco",
            f"deit_{size}",
            _deit(size),
            MaskRCNNConfig(),
            parameters,
            ap,
            _file(release, name),
        )
        for size, parameters, ap, release in (
            ("tiny", 28068512, (46.0, 41.0), "v0.1.2"),
            ("small", 47802368, (48.2, 42.8), "v0.1.2"),
            ("base", 120187088, (49.6, 43.6), "v0.1.6"),
        )
    ),
    *(
        _recipe(
            f"mask_rcnn_deit_adapter_{size}_fpn_1x_coco",
            f"deit_{size}",
            _deit(size),
            MaskRCNNConfig(),
            parameters,
            ap,
            checkpoint,
            training=replace(_one(), learning_rate=rate, weight_decay=decay),
            pipeline="1x",
        )
        for size, parameters, ap, rate, decay, checkpoint in (
            (
                "tiny",
                28068512,
                (41.1, 37.5),
                2e-4,
                0.01,
                f"{_HUB}/mask_rcnn_deit_adapter_tiny_fpn_1x_coco.pth",
            ),
            ("small", 47802368, (44.7, 39.9), 1e-4, 0.05, None),
            ("base", 120187088, (47.0, 41.8), 1e-4, 0.05, None),
        )
    ),
    *(
        _recipe(
            name := f"mask_rcnn_deit_{size}_fpn_3x_coco",
            f"deit_{size}",
            _vit(f"deit_{size}", 0.1),
            MaskRCNNConfig(),
            parameters,
            ap,
            _file("v0.3.1", name),
            backbone=BlockPyramidConfig(),
        )
        for size, parameters, ap in (
            ("tiny", 26075184, (40.2, 37.0)),
            ("small", 43746672, (44.0, 39.9)),
            ("base", 113594352, (45.8, 41.3)),
        )
    ),
    _recipe(
        name := "mask_rcnn_deit_adapter_small_3x_coco",
        "deit_small",
        _deit("small"),
        MaskRCNNConfig(neck="channel_mapper"),
        45442048,
        (48.2, 42.7),
        _file("v0.1.6", name),
        half=True,
    ),
    _recipe(
        name := "mask_rcnn_uniperceiver_adapter_base_fpn_3x_coco",
        "uniperceiver_base",
        ViTConfig(
            name="uniperceiver_large",
            options={"embed_dim": 768, "depth": 12, "num_heads": 12},
            drop_path_rate=0.2,
            window_sizes=_windows(12),
        ),
        MaskRCNNConfig(),
        120194000,
        (51.2, 45.3),
        _file("v0.3.1", name, ".pth"),
        training=_three(0.65),
    ),
    *(
        _recipe(
            name := f"mask_rcnn_augreg_adapter_large_fpn_{schedule}_coco",
            "augreg_large",
            _vit("augreg_large", 0.4, 24, img_size=384),
            MaskRCNNConfig(),
            347927472,
            ap,
            _file("v0.3.1", name, ".pth") if ap[0] else None,
            training=training,
            pipeline=schedule,
            normalization=HALF,
        )
        for schedule, ap, training in _AUGREG
    ),
    _recipe(
        name := "mask_rcnn_augreg_large_fpn_3x_coco",
        "augreg_large",
        _vit("augreg_large", 0.4, 24, img_size=384),
        MaskRCNNConfig(),
        337286896,
        (48.3, 43.3),
        _file("v0.3.1", name),
        backbone=BlockPyramidConfig(out_indices=_LARGE_LAST),
        training=_three(0.8),
        normalization=HALF,
    ),
    *(
        _recipe(
            name := f"mask_rcnn_dinov2_adapter_{size}_fpn_3x_coco",
            f"dinov2_{size}",
            _vit(f"dinov2_{size}", drop, depth, img_size=592, prefix_tokens=False, layer_scale=1.0),
            MaskRCNNConfig(),
            parameters,
            ap,
            f"{_HUB}/{name}.pth",
            training=_three(decay),
        )
        for size, drop, depth, decay, parameters, ap in (
            ("small", 0.2, 12, 0.7, 48252800, (51.5, 45.6)),
            ("base", 0.3, 12, 0.6, 121087952, (54.1, 47.8)),
            ("large", 0.4, 24, 0.65, 348739504, (55.3, 49.0)),
        )
    ),
    *(
        _recipe(
            name := f"mask_rcnn_mae_adapter_base_lsj_fpn_{epochs}ep_coco",
            "mae_base",
            _vit("mae_base", drop, no_layer_scale=True),
            MaskRCNNConfig(
                neck_norm="batch",
                proposal_convolutions=2,
                box_convolutions=4,
                box_layers=1,
                region_norm="batch",
            ),
            120065328,
            ap,
            _file("v0.1.4", name),
            backbone=replace(_ADAPTER, extra_extractors=False),
            training=_jitter(epochs),
            pipeline="lsj",
            half=True,
        )
        for epochs, drop, ap in ((25, 0.1, (50.3, 44.7)), (50, 0.2, (50.8, 45.1)))
    ),
]
_CASCADE = [
    *(
        _recipe(
            name := f"cascade_mask_rcnn_deit_adapter_{size}_fpn_3x_coco",
            f"deit_{size}",
            _deit(size),
            CascadeConfig(),
            parameters,
            ap,
            _file(release, name, ending),
            half=True,
        )
        for size, parameters, ap, release, ending in (
            ("small", 85637570, (51.5, 44.3), "v0.1.3", ".pth.tar"),
            ("base", 158022290, (52.1, 44.8), "v0.3.1", ".pth"),
        )
    ),
    _recipe(
        "cascade_mask_rcnn_deit_base_fpn_3x_coco",
        "deit_base",
        _vit("deit_base", 0.2),
        CascadeConfig(),
        151429554,
        backbone=BlockPyramidConfig(),
        training=replace(_three(), batch_size=1),
        half=True,
    ),
]
_ONE_STAGE = [
    _recipe(
        name := "atss_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        _deit("small"),
        ATSSConfig(),
        35668586,
        (49.6, None),
        _file("v0.1.5", name),
        half=True,
    ),
    _recipe(
        name := "gfl_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        _deit("small"),
        GFLConfig(),
        35813801,
        (50.0, None),
        _file("v0.1.6", name),
        half=True,
    ),
    _recipe(
        name := "sparse_rcnn_deit_adapter_small_fpn_3x_coco",
        "deit_small",
        _deit("small"),
        SparseRCNNConfig(),
        109748920,
        (48.1, None),
        _file("v0.1.6", name),
        training=replace(_three(), clip_gradient_norm=1.0),
    ),
]


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
    base = _recipe(
        name,
        pretraining,
        vit,
        head,
        parameters,
        ap or (None, None),
        checkpoint,
        backbone=backbone,
        training=replace(_three(0.9), batch_size=1),
        pipeline="htc",
    )
    views = _test(*((long, short) for short in _SHORT_SIDES), flip=True) if multi_scale_ap else None
    return replace(base, protocol=_test((1600, 1400)), multi_scale=views, multi_scale_ap=multi_scale_ap)


_HTC = [
    _htc(
        name := "htc++_augreg_adapter_large_fpn_3x_coco",
        "augreg_large",
        _vit("augreg_large", 0.4, 24, img_size=384, grad_checkpointing=True),
        _ADAPTER,
        400319861,
        (56.6, 49.0),
        (57.7, 49.9),
        _file("v0.3.1", name, ".pth"),
        detections=300,
        drop_path=0.4,
        long=1600,
    ),
    _htc(
        name := "htc++_beit_adapter_large_fpn_3x_coco",
        "beit_large",
        _beit("beit_large"),
        _BEIT_ADAPTER,
        400726261,
        (58.4, 50.8),
        (60.2, 52.2),
        _file("0.3.0", name),
    ),
    _htc(
        name := "htc++_beitv2_adapter_large_fpn_3x_coco",
        "beitv2_large",
        _beit("beitv2_large"),
        _BEIT_ADAPTER,
        400726261,
        (58.8, 51.1),
        (60.5, 52.5),
        _file("v0.3.1", name, ".pth"),
    ),
    _htc(
        "htc++_beit_adapter_large_fpn_3x_coco_old",
        "beit_large",
        _beit("beit_large", 0.3),
        replace(_BEIT_ADAPTER, vit_feature="stages"),
        400726261,
    ),
    _htc(
        "htc++_uniperceiver_adapter_large_fpn_3x_coco",
        "uniperceiver_large",
        _vit("uniperceiver_large", 0.4, 24),
        _ADAPTER,
        399939957,
        drop_path=0.4,
    ),
]
_OBJECTS365_NAME = "htc++_beitv2_adapter_large_fpn_o365_coco"
_OBJECTS365 = replace(
    _recipe(
        _OBJECTS365_NAME,
        "beitv2_large",
        _beit("beitv2_large", 0.3, recompute=True),
        HTCConfig(neck_norm="group", box_norm="batch", box_loss="giou", semantic_classes=183),
        400731381,
        (61.8, 53.0),
        _file("v0.3.1", _OBJECTS365_NAME, ".pth"),
        backbone=_BEIT_ADAPTER,
        training=replace(
            _three(0.8),
            steps=20_000,
            milestones=(),
            clip_gradient_norm=0.1,
            validate_every=1000,
        ),
        pipeline="objects365",
    ),
    protocol=_test((2000, 1000)),
    multi_scale=_test(*((3000, short) for short in _SHORT_SIDES), flip=True),
    multi_scale_ap=(62.6, 54.2),
    total_batch=64,
    start="htc++_beitv2_adapter_large_fpn_o365.pth",
)
_PANOPTIC_NAME = "mask2former_beitv2_adapter_large_16x1_3x_coco-panoptic"
_PANOPTIC = replace(
    _recipe(
        _PANOPTIC_NAME,
        "beitv2_large",
        _beit("beitv2_large"),
        Mask2FormerConfig(),
        347974534,
        (52.9, 48.9),
        _file("panoptic", _PANOPTIC_NAME, ".pth"),
        backbone=_BEIT_ADAPTER,
        training=TrainingConfig(
            steps=265_500,
            batch_size=1,
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

DETECTION: dict[str, DetectionRecipe] = {
    recipe.name: recipe for recipe in (*_MASK_RCNN, *_CASCADE, *_ONE_STAGE, *_HTC, _OBJECTS365, _PANOPTIC)
}
"""Every published detector by its name; those with a test of several scales have it as ``multi_scale``."""


def find_detection_recipe(name: str) -> DetectionRecipe | None:
    """A published detector by its name or by that of its official configuration; None if there is none.

    Args:
        name: With ``_ms`` at the end, the test of several scales is set.
    """
    if name in DETECTION:
        return DETECTION[name]
    recipe = DETECTION.get(name.removesuffix("_ms")) if name.endswith("_ms") else None
    return None if recipe is None or recipe.multi_scale is None else replace(recipe, variant="ms")


def list_detection_recipes() -> list[str]:
    """Names of the published detectors and of the model of COCO panoptic."""
    return list(DETECTION)
