"""One function that makes every published recipe."""

from collections.abc import Callable
from dataclasses import replace

from vit_adapter.config import InferenceConfig, Mask2FormerConfig, UPerNetConfig

from .bases import STARTS, augmentation, by_flag, single_scale, training
from .recipe import Recipe

_RELEASES = "https://github.com/czczup/ViT-Adapter/releases/download"


def make_recipe(
    name: str,
    start: str,
    parameters: int,
    scores: tuple[float | None, float | None] = (None, None),
    checkpoint: str | None = None,
    *,
    size: tuple[int, int] = (2048, 512),
    test_size: tuple[int, int] | None = None,
    crop: int = 512,
    steps: int = 160_000,
    validate_every: int | None = None,
    dataset: str = "ade20k",
    batch: int = 2,
    total_batch: int | None = 16,
    mask2former: Mask2FormerConfig | None = None,
    multi_scale: Callable[[InferenceConfig], InferenceConfig] = by_flag,
    flip: bool = False,
    multiple: int | None = 32,
    begin_with: str | None = None,
    workers: int = 4,
) -> Recipe:
    """A recipe from what is particular to it.

    Args:
        name: Its name.
        start: Key of ``STARTS``.
        parameters: Exact number of parameters.
        scores: Published single-scale and multi-scale scores in percent.
        checkpoint: The published model below the address of the releases.
        size: (long, short) limits in pixels of the resize in training.
        test_size: The same in tests; None: as in training.
        crop: Side of the training crop and of the test windows.
        steps: Training steps.
        validate_every: Steps between validations; None: ten times.
        dataset: Key of ``DATASETS``.
        batch: Images per device.
        total_batch: Images over all devices, where it is published.
        mask2former: Sizes of a Mask2Former head; None: UperNet with an auxiliary head.
        multi_scale: From the single-scale to the multi-scale test.
        flip: The single-scale test averages mirror images.
        multiple: Sides are stretched to multiples of it in the single-scale test.
        begin_with: Recipe whose published model is loaded as a whole first.
        workers: Loader processes per device.
    """
    base = STARTS[start]
    model = base.model
    if model.vit.name.startswith("beit"):
        # Tables have the size of the training crop (behaviour 106); UperNet is twice as wide.
        vit, head = replace(model.vit, img_size=crop), UPerNetConfig(channels=1024)
        model = replace(model, vit=vit, head=head)
    if mask2former is not None:
        model = replace(model, head=mask2former)
    plain = replace(single_scale(test_size or size, crop, base.normalization), multiple=multiple)
    return Recipe(
        name=name,
        dataset=dataset,
        pretraining=start.replace("_light", "").replace("_alone", ""),
        model=model,
        training=training(base, steps, batch, validate_every or steps // 10),
        augmentation=augmentation(size, crop),
        protocol=replace(plain, flip=flip),
        multi_scale=multi_scale(plain),
        parameters=parameters,
        start=begin_with,
        checkpoint_url=None if checkpoint is None else f"{_RELEASES}/{checkpoint}",
        score=scores[0],
        multi_scale_score=scores[1],
        total_batch=total_batch,
        half_precision_scores=base.half_precision_scores,
        workers=workers,
    )
