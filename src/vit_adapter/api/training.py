"""Training from a configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from vit_adapter.config import ClassTable, InputError, Normalization, Protocol, RunConfig
from vit_adapter.segmenter import Segmenter

from .fine_tuning import start_from

if TYPE_CHECKING:
    from vit_adapter.training import RunResult


def own_protocol(config: RunConfig, normalization: Normalization) -> Protocol:
    """How a model trained on one's own data is applied: windows of the training crop, two thirds of a crop apart."""
    crop = config.data.augmentation.crop
    return Protocol(crop=crop, stride=max(1, crop * 2 // 3), normalization=normalization)


def train(config: RunConfig, *, dry_run: bool = False) -> RunResult | None:
    """Trains a model, or goes on with an interrupted run.

    Args:
        config: Everything that the run needs.
        dry_run: Print what would be done, and stop.

    Returns:
        What came out: the run's folder, the best model's folder, scores; None for a dry run.

    Raises:
        InputError: Something in the configuration or in the data cannot be used.
    """
    from vit_adapter.data.dataset import open_dataset
    from vit_adapter.data.training_set import TrainingSet
    from vit_adapter.training import run_training

    torch.manual_seed(config.training.seed)
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
