"""Training from a configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from vit_adapter.config import ClassTable, InputError, Normalization, Protocol, RunConfig
from vit_adapter.segmenter import Segmenter
from vit_adapter.zoo import Recipe, find_recipe, get_recipe
from vit_adapter.zoo.download import download, published_checkpoint

from .fine_tuning import start_from

if TYPE_CHECKING:
    from vit_adapter.training import RunResult


def own_protocol(config: RunConfig, normalization: Normalization) -> Protocol:
    """How a model trained on one's own data is applied: windows of the training crop, two thirds of a crop apart."""
    crop = config.data.augmentation.crop
    return Protocol(crop=crop, stride=max(1, crop * 2 // 3), normalization=normalization)


def train(config: RunConfig, *, recipe: str | None = None, dry_run: bool = False) -> RunResult | None:
    """Trains a model, or goes on with an interrupted run.

    Args:
        config: Everything that the run needs.
        recipe: The published recipe that the configuration comes from: classes and files that it starts from are
            taken from it where the configuration names none.
        dry_run: Print what would be done, and stop; no weights are fetched.

    Returns:
        What came out: the run's folder, the best model's folder, scores; None for a dry run.

    Raises:
        InputError: Something in the configuration or in the data cannot be used.
    """
    from vit_adapter.data.dataset import open_dataset
    from vit_adapter.data.training_set import TrainingSet
    from vit_adapter.training import run_training

    torch.manual_seed(config.training.seed)
    published = None if recipe is None else find_recipe(recipe)
    if published is not None:
        config = with_published_files(config, published, fetch=not dry_run and not config.training.resume)
    if dry_run:
        config = replace(config, model=replace(config.model, pretrained=False))
    training, validation = open_dataset(config.data, "train"), open_dataset(config.data, "val")
    model, notes = prepare_model(config, training.classes)
    train_set = TrainingSet(
        training,
        config.data.augmentation,
        model.protocol.normalization,
        config.training.seed,
        config.data.stop_on_bad_image,
    )
    return run_training(
        model,
        train_set,
        validation,
        config,
        operator_forms=operator_forms(),
        notes=notes,
        dry_run=dry_run,
    )


def with_published_files(config: RunConfig, recipe: Recipe, fetch: bool = True) -> RunConfig:
    """A recipe's configuration with the files that it starts from, downloaded where timm does not have them.

    Args:
        config: The configuration.
        recipe: The recipe it comes from.
        fetch: False: name no files.

    Raises:
        InputError: A file is not there and cannot be downloaded; the message says where to put it.
    """
    if config.data.classes is None:
        config = replace(config, data=replace(config.data, classes=list(recipe.classes().names)))
    if not fetch:
        return config
    if config.model.vit == "uniperceiver_large" and config.model.pretrained is True:
        assert recipe.source.url is not None
        file = str(download(recipe.source.url))
        config = replace(config, model=replace(config.model, pretrained=file))
    if recipe.start is not None and config.training.init is None:
        # The whole model of another recipe; tensors of another shape (the classifier) start anew (FACTS 14).
        start = get_recipe(recipe.start)
        assert isinstance(start, Recipe)
        file = str(published_checkpoint(start))
        config = replace(
            config,
            model=replace(config.model, pretrained=False),
            training=replace(config.training, init=file),
        )
    return config


def prepare_model(config: RunConfig, classes: ClassTable) -> tuple[Segmenter, list[str]]:
    """The model that a run starts from, and lines about where its weights come from."""
    model_config = config.model
    data, protocol = config.data, config.protocol
    if config.training.resume:
        # The checkpoint brings all weights.
        model_config = replace(model_config, pretrained=False)
    model = Segmenter.from_config(model_config, classes, protocol)
    if data.mean is not None and data.std is not None:
        normalization = Normalization(tuple(data.mean), tuple(data.std))
    elif protocol is not None:
        normalization = protocol.normalization
    else:
        normalization = model.protocol.normalization
    if len(normalization.mean) != config.model.in_chans:
        raise InputError(
            f"data.mean has {len(normalization.mean)} values, expected one for each of {config.model.in_chans} channels"
        )
    model.protocol = replace(protocol or own_protocol(config, normalization), normalization=normalization)
    report = getattr(model.backbone, "load_report", None)
    notes = [] if report is None else [report.summary()]
    if config.training.init is not None and not config.training.resume:
        notes.append(start_from(model, config.training.init))
    return model, notes


def operator_forms() -> dict[str, str]:
    """Which form of each operator runs; printed, so that a fallback is never silent."""
    return {"deformable attention": "grid_sample (pure PyTorch)", "attention": "scaled_dot_product_attention"}
