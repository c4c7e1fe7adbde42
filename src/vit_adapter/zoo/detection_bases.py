"""What the published detectors share: windows of their ViTs, schedules, tests, and where their files are."""

from dataclasses import replace

from vit_adapter.config import (
    AdapterConfig,
    BlockPyramidConfig,
    HeadConfig,
    InferenceConfig,
    ModelConfig,
    Normalization,
    ObjectConfig,
    PipelineName,
    SparseRCNNConfig,
    TrainingConfig,
    ViTConfig,
)
from vit_adapter.config.objects import SizeRange

from .bases import IMAGENET
from .detection_recipe import DetectionRecipe
from .pretraining import PRETRAINED

RELEASES = "https://github.com/czczup/ViT-Adapter/releases/download"
HUB = "https://huggingface.co/czczup/ViT-Adapter/resolve/main"
STEPS_PER_EPOCH = 7330
"""Of 117,266 images of COCO train2017 that show an object, 16 in a step, wide and high ones apart."""
BASIC = (1333, 800)
SHORT_SIDES = (600, 800, 1000, 1200, 1400, 1600)
BELIEVED: tuple[tuple[SizeRange, ...], ...] = (
    *(("l",), ("l",), ("m", "l")),
    *(("s", "m"), ("s", "m"), ("s", "m")),
)
"""Sizes of the objects that each of these scales is believed for."""
LARGE_LAST = (5, 11, 17, 23)
"""Blocks with a wider window, or none, in the ViTs of 24 blocks; in those of 12 it is every third one."""


def windows(depth: int, wide: int | None = None) -> list[int | None]:
    """Window of every block: 14 tokens, in the last block of each quarter ``wide``, or no window where that is None."""
    every = depth // 4
    return [wide if block % every == every - 1 else 14 for block in range(depth)]


def windowed_vit(
    key: str, drop_path: float, depth: int = 12, wide: int | None = None, **settings
) -> ViTConfig:
    """A pretrained ViT, by its key, with windows."""
    name = PRETRAINED[key].timm_name or key
    return ViTConfig(name=name, drop_path_rate=drop_path, window_sizes=windows(depth, wide), **settings)


DEIT_DROPS = {"tiny": 0.1, "small": 0.2, "base": 0.3}
ADAPTER = AdapterConfig(vit_feature="last")
BEIT_ADAPTER = AdapterConfig(vit_feature="last", injector_init=1e-6)


def beit_in_windows(key: str, drop_path: float = 0.4, recompute: bool = False) -> ViTConfig:
    """Windows of 14, the last block of each quarter 56; without class token (behaviour 125)."""
    return windowed_vit(
        key, drop_path, 24, 56, layer_scale=1e-6, prefix_tokens=False, grad_checkpointing=recompute
    )


def whole_images(
    *sizes: tuple[int, int], count: int = 100, normalization: Normalization = IMAGENET
) -> InferenceConfig:
    """The published test: whole images within each of some limits, padded to multiples of 32, so many objects each."""
    return InferenceConfig(
        resizes=sizes,
        multiple=None,
        pad_to_multiple=32,
        mode="whole",
        normalization=normalization,
        objects=ObjectConfig(max_objects=count),
    )


def voting_views(long: int = 3000) -> InferenceConfig:
    """HTC++'s test of several scales, each with its mirror image: large objects are believed to small scales.

    Behaviour 155.
    """
    sizes = [(long, short) for short in SHORT_SIDES]
    return replace(whole_images(*sizes, count=1000), flip=True, view_sizes=BELIEVED)


def schedule(epochs: int, milestones: tuple[int, int], layer_decay: float | None = None) -> TrainingConfig:
    """The published optimiser; without layer decay its rules by name hold (behaviour 165)."""
    return TrainingConfig(
        steps=epochs * STEPS_PER_EPOCH,
        batch_size=2,
        learning_rate=1e-4,
        weight_decay=0.05,
        layer_decay=layer_decay,
        parameter_rules="names" if layer_decay is None else "layers",
        warmup_steps=500,
        warmup_ratio=0.001,
        order="shapes",
        schedule="steps",
        milestones=(milestones[0] * STEPS_PER_EPOCH, milestones[1] * STEPS_PER_EPOCH),
        validate_every=STEPS_PER_EPOCH,
        checkpoint_every=1000,
    )


def schedule_3x(layer_decay: float | None = None) -> TrainingConfig:
    """36 epochs, the rate falls after 27 and 33."""
    return schedule(36, (27, 33), layer_decay)


def schedule_1x(layer_decay: float | None = None) -> TrainingConfig:
    """12 epochs, the rate falls after 8 and 11."""
    return schedule(12, (8, 11), layer_decay)


def schedule_jitter(epochs: int) -> TrainingConfig:
    """Large-scale jitter: along a cosine, epoch by epoch."""
    return replace(
        schedule(epochs, (1, 2)),
        schedule="cosine",
        milestones=(),
        cosine_every=STEPS_PER_EPOCH,
        cosine_floor=0.01,
        warmup_steps=2000,
    )


def coco_recipe(
    name: str,
    pretraining: str,
    vit: ViTConfig,
    head: HeadConfig,
    parameters: int,
    ap: tuple[float | None, float | None] = (None, None),
    checkpoint: str | None = None,
    *,
    backbone: AdapterConfig | BlockPyramidConfig = ADAPTER,
    training: TrainingConfig | None = None,
    pipeline: PipelineName = "3x",
    normalization: Normalization = IMAGENET,
    half: bool = False,
) -> DetectionRecipe:
    """A detector on COCO: by default adapter, 36 epochs, multi-scale transforms and the usual test."""
    url = None if checkpoint is None else checkpoint if "://" in checkpoint else f"{RELEASES}/{checkpoint}"
    return DetectionRecipe(
        name=name,
        pretraining=pretraining,
        model=ModelConfig(vit, backbone, head),
        training=training or schedule_3x(),
        pipeline=pipeline,
        protocol=whole_images(BASIC, count=most_objects(head), normalization=normalization),
        parameters=parameters,
        checkpoint_url=url,
        box_ap=ap[0],
        mask_ap=ap[1],
        half_precision_training=half,
    )


def most_objects(head: HeadConfig) -> int:
    """Most detections that a head gives of an image."""
    return head.proposals if isinstance(head, SparseRCNNConfig) else getattr(head, "detections", 100)


def deit(size: str) -> ViTConfig:
    """DeiT with its published stochastic depth."""
    return windowed_vit(f"deit_{size}", DEIT_DROPS[size])


def release_file(release: str, name: str, ending: str = ".pth.tar") -> str:
    """Place of a file among the releases."""
    return f"{release}/{name}{ending}"
