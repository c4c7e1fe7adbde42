"""What the published recipes share: ViTs, heads, training and test forms."""

from dataclasses import dataclass, replace
from typing import Literal, Unpack

from vit_adapter.config import (
    AdapterConfig,
    AugmentationConfig,
    BackboneConfig,
    BeitPyramidConfig,
    HeadConfig,
    InferenceConfig,
    Mask2FormerConfig,
    ModelConfig,
    Normalization,
    TrainingConfig,
    ViTConfig,
    ViTSettings,
)

from .pretraining import PRETRAINED

IMAGENET = Normalization()
HALF = Normalization((127.5,) * 3, (127.5,) * 3)
"""AugReg's own, which its B and L recipes keep; AugReg-T was trained with ImageNet's (behaviour 108)."""

RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


@dataclass(frozen=True)
class Start:
    """A pretrained ViT inside the adapter, and the training rates that go with it.

    Attributes:
        model: Backbone settings.
        learning_rate: Highest rate of AdamW.
        weight_decay: Decoupled decay.
        layer_decay: Rate of a block relative to the next; None: none.
        normalization: Mean and deviation.
        half_precision_scores: Published scores come from half precision.
    """

    model: ModelConfig
    learning_rate: float
    weight_decay: float
    layer_decay: float | None = 0.95
    normalization: Normalization = IMAGENET
    half_precision_scores: bool = False


def _vit(
    key: str,
    drop_path: float,
    large: bool = False,
    backbone: BackboneConfig = AdapterConfig(),  # noqa: B008 (frozen)
    **settings: Unpack[ViTSettings],
) -> ModelConfig:
    """A backbone on a pretrained ViT; the large ones recompute blocks to save memory."""
    name = PRETRAINED[key].timm_name or key
    vit = ViTConfig(name=name, drop_path_rate=drop_path, grad_checkpointing=large)
    return ModelConfig(replace(vit, **settings), backbone)


def _beit(key: str, drop_path: float, large: bool = True) -> ModelConfig:
    # One constant is the start of the ViT's layer scales and of the injectors' gamma (behaviour 27).
    return _vit(key, drop_path, large, AdapterConfig(injector_init=1e-6), layer_scale=1e-6)


def light_adapter(blocks: int) -> AdapterConfig:
    """The published light form: one interaction around all blocks, without what costs time."""
    return AdapterConfig(
        interaction_indexes=[(0, blocks - 1)], cffn_ratio=None, extra_extractors=False, add_vit_feature=False
    )


def beside_frozen_vit(vit: ViTConfig, head: HeadConfig) -> ModelConfig:
    """DINOv3's form: extractors alone, beside a frozen ViT that is read through its final norm (behaviour 116)."""
    return ModelConfig(replace(vit, frozen="vit", final_norm=True), AdapterConfig(injectors=False), head)


_DEIT_BASE = _vit("deit_base", 0.3)

STARTS: dict[str, Start] = {
    "deit_tiny": Start(_vit("deit_tiny", 0.1), 12e-5, 0.01, half_precision_scores=True),
    "deit_small": Start(_vit("deit_small", 0.2), 6e-5, 0.01, half_precision_scores=True),
    "deit_base": Start(_DEIT_BASE, 6e-5, 0.01, half_precision_scores=True),
    "deit_light_base": Start(
        replace(
            _DEIT_BASE,
            backbone=light_adapter(12),
        ),
        6e-5,
        0.01,
        half_precision_scores=True,
    ),
    "augreg_tiny": Start(_vit("augreg_tiny", 0.1), 12e-5, 0.01, half_precision_scores=True),
    "augreg_base": Start(_vit("augreg_base", 0.3, img_size=384), 2e-5, 0.01, None, HALF, True),
    "augreg_large": Start(_vit("augreg_large", 0.4, large=True, img_size=384), 2e-5, 0.05, 0.95, HALF),
    "uniperceiver_large": Start(
        _vit("uniperceiver_large", 0.4, large=True), 6e-5, 0.05, 0.8, half_precision_scores=True
    ),
    "beit_base": Start(_beit("beit_base", 0.2, large=False), 3e-5, 0.05, 0.95),
    "beit_large": Start(_beit("beit_large", 0.3), 2e-5, 0.05, 0.9),
    "beitv2_large": Start(_beit("beitv2_large", 0.3), 2e-5, 0.05, 0.9),
    "beit_large_alone": Start(
        _vit("beit_large", 0.2, backbone=BeitPyramidConfig(), layer_scale=1e-6),
        2e-5,
        0.05,
        0.9,
    ),
}
"""By a name of their own; "light" is the published light form of DeiT-B, "alone" BEiT without an adapter."""


def wide_mask2former(queries: int = 100) -> Mask2FormerConfig:
    """The head beside BEiT-L; 200 queries for ADE20K and COCO-Stuff 164K at 896 pixels (behaviour 107)."""
    return Mask2FormerConfig(
        queries=queries,
        channels=1024,
        heads=32,
        encoder_feedforward=4096,
        decoder_feedforward=4096,
        grad_checkpointing=True,
    )


WIDE_MASK2FORMER = wide_mask2former()
NARROW_MASK2FORMER = Mask2FormerConfig()
"""With BEiT-B. With BEiT-L on CHASE and Potsdam the pixel decoder's feed-forward is wider."""


def training(start: Start, steps: int, batch_size: int, validate_every: int) -> TrainingConfig:
    """The published optimiser and schedule (behaviours 83 to 87)."""
    return TrainingConfig(
        steps=steps,
        batch_size=batch_size,
        learning_rate=start.learning_rate,
        weight_decay=start.weight_decay,
        layer_decay=start.layer_decay,
        # Where there is no layer decay, the rule by parts of names holds (behaviour 87): the head learns faster.
        head_learning_rate_factor=10.0 if start.layer_decay is None else 1.0,
        warmup_steps=1500,
        validate_every=validate_every,
        checkpoint_every=1000,
    )


def augmentation(size: tuple[int, int], crop: int) -> AugmentationConfig:
    """The published random changes."""
    return AugmentationConfig(base_size=size, crop=crop)


def single_scale(size: tuple[int, int], crop: int, normalization: Normalization) -> InferenceConfig:
    """Windows two thirds of a crop apart, 512 with crops of 896 (behaviour 81)."""
    stride = 512 if crop == 896 else crop * 2 // 3
    return InferenceConfig(resize=size, crop=crop, stride=stride, normalization=normalization)


def by_flag(protocol: InferenceConfig) -> InferenceConfig:
    """Multi-scale test of recipes without a file for it: as the test program's option does (behaviour 80)."""
    return replace(protocol, scales=RATIOS, flip=True)


def by_short_side(
    protocol: InferenceConfig, ratios: tuple[float, ...] = RATIOS, unpad: bool = False
) -> InferenceConfig:
    """Multi-scale files of the 480, 512 and 640 pixel recipes and of Cityscapes (behaviour 78)."""
    return replace(protocol, scales=ratios, flip=True, resize_rule="short_side", multiple=None, unpad=unpad)


def by_short_side_of_streets(protocol: InferenceConfig) -> InferenceConfig:
    """The same with one more scale (Cityscapes)."""
    return by_short_side(protocol, (*RATIOS, 2.0), unpad=True)


def padded_beit(protocol: InferenceConfig) -> InferenceConfig:
    """Multi-scale files of the BEiT recipes at 896: padded before normalisation (behaviour 79)."""
    return _padded(protocol, (640, 768, 896), "before")


def padded_beitv2(protocol: InferenceConfig) -> InferenceConfig:
    """Multi-scale file of the BEiTv2 recipe at 896: padded after normalisation (behaviour 79)."""
    return _padded(protocol, (800, 832, 864, 896), "after")


def _padded(
    protocol: InferenceConfig, short_sides: tuple[int, ...], when: Literal["before", "after"]
) -> InferenceConfig:
    scales = tuple(side / 896 for side in short_sides)
    return replace(protocol, scales=scales, flip=True, pad_to_crop=when, unpad=True)
