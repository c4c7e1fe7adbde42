"""Recipes of our own for modern plain ViTs on ADE20K: not yet trained, so there is no number to reproduce.

What they set, and why:

- Crops of 512 and the published tests of ViT-Adapter at that size, so that results can be compared with its table.
- Heads: UperNet 512 wide is what the published S and B models have; 256 is half of it, a quarter of its arithmetic, and
  Mask2Former's own width, which its authors use for every backbone.
- Tuned: injectors, as in the paper, since the ViT can still learn to use them. Layer decay 0.8 over 12 blocks and 0.9
  over 24 leave the patch embedding about 6 % of the rate: self-supervised features are what one wants to keep.
  Mask2Former's queries and last layers learn at the full rate, not at the first layer's as published (behaviour 84),
  since they are fresh.
- Frozen: no injectors, so that the ViT runs without gradients and one pass of it can serve several heads; its stages
  are read through its final norm, as DINOv3's own adapter does (behaviour 116). There is no stochastic depth in a
  frozen ViT, so the extractors keep the published rate of DINOv3, 0.3, for L, and less for smaller ones.
- 16 images in a step, as published, by four passes of four images: one device is enough.
- 1e-4 is Mask2Former's own rate for AdamW; UperNet tuned has 6e-5, the published one of DeiT.
"""

from dataclasses import dataclass, replace

from vit_adapter.config import (
    AdapterConfig,
    HeadConfig,
    Mask2FormerConfig,
    ModelConfig,
    TrainingConfig,
    UPerNetConfig,
    ViTConfig,
)

from .bases import IMAGENET, augmentation, beside_frozen_vit, by_flag, single_scale
from .pretraining import PRETRAINED
from .recipe import Recipe

_CROP, _SIZE = 512, (2048, 512)
_HEADS: dict[str, HeadConfig] = {
    "mask2former": Mask2FormerConfig(),
    "upernet": UPerNetConfig(channels=256),
}
_STEPS = {"mask2former": 40_000, "upernet": 80_000}


@dataclass(frozen=True)
class _Size:
    """What depends on the size of a ViT: stochastic depth, decay of rates by layer, recomputation."""

    drop_path: float
    layer_decay: float
    recompute: bool


_SIZES = {"small": _Size(0.1, 0.8, False), "base": _Size(0.2, 0.8, False), "large": _Size(0.3, 0.9, True)}


def _recipe(head: str, family: str, size: str, frozen: bool, parameters: int) -> Recipe:
    of_size = _SIZES[size]
    key = f"{family}_{size}"
    vit = ViTConfig(
        name=PRETRAINED[key].timm_name or key,
        drop_path_rate=of_size.drop_path,
        grad_checkpointing=of_size.recompute,
    )
    model = (
        beside_frozen_vit(vit, _HEADS[head]) if frozen else ModelConfig(vit, AdapterConfig(), _HEADS[head])
    )
    training = TrainingConfig(
        steps=_STEPS[head],
        batch_size=4,
        accumulate=4,
        learning_rate=1e-4 if frozen or head == "mask2former" else 6e-5,
        layer_decay=None if frozen else of_size.layer_decay,
        query_layer_decay=False,
        warmup_steps=1500,
        validate_every=_STEPS[head] // 10,
        checkpoint_every=1000,
    )
    protocol = single_scale(_SIZE, _CROP, IMAGENET)
    return Recipe(
        name=f"{head}_{family}_adapter_{size}_512_ade20k{'_frozen' if frozen else ''}",
        dataset="ade20k",
        pretraining=key,
        model=model,
        training=training,
        augmentation=augmentation(_SIZE, _CROP),
        protocol=replace(protocol, multiple=32),
        multi_scale=by_flag(protocol),
        parameters=parameters,
        licence=PRETRAINED[key].licence,
        origin="own",
    )


_PARAMETERS: dict[tuple[str, str, str, bool], int] = {
    ("mask2former", "dinov2", "small", False): 47_898_215,
    ("mask2former", "dinov2", "small", True): 46_375_943,
    ("mask2former", "dinov2", "base", False): 120_733_751,
    ("mask2former", "dinov2", "base", True): 117_027_191,
    ("mask2former", "dinov2", "large", False): 348_385_559,
    ("mask2former", "dinov2", "large", True): 341_805_079,
    ("mask2former", "dinov3", "small", False): 47_359_847,
    ("mask2former", "dinov3", "small", True): 45_837_575,
    ("mask2former", "dinov3", "base", False): 119_657_015,
    ("mask2former", "dinov3", "base", True): 115_950_455,
    ("mask2former", "dinov3", "large", False): 346_913_047,
    ("mask2former", "dinov3", "large", True): 340_332_567,
    ("upernet", "dinov2", "small", False): 36_984_124,
    ("upernet", "dinov2", "small", True): 35_461_852,
    ("upernet", "dinov2", "base", False): 111_884_044,
    ("upernet", "dinov2", "base", True): 108_177_484,
    ("upernet", "dinov2", "large", False): 340_912_108,
    ("upernet", "dinov2", "large", True): 334_331_628,
    ("upernet", "dinov3", "small", False): 36_445_756,
    ("upernet", "dinov3", "small", True): 34_923_484,
    ("upernet", "dinov3", "base", False): 110_807_308,
    ("upernet", "dinov3", "base", True): 107_100_748,
    ("upernet", "dinov3", "large", False): 339_439_596,
    ("upernet", "dinov3", "large", True): 332_859_116,
}
"""By head, family, size and whether the ViT is frozen: exact."""

MODERN: tuple[Recipe, ...] = tuple(_recipe(*what, count) for what, count in _PARAMETERS.items())
"""All of them."""
