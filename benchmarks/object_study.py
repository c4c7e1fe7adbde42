"""What studies of objects share: a row is trained, and measured by masks and by boxes."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from study import device_memory, process_memory, seconds_a_step

from vit_adapter.api.training import operator_forms, prepare_model
from vit_adapter.config import EvaluationConfig, RunConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.sample import Sample
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.metrics import InstanceEvaluator
from vit_adapter.tasks import Result
from vit_adapter.training import run_training
from vit_adapter.training.engine import choose_accelerator

SCORES = ("AP", "AP50", "AP75")


def train_and_measure(config: RunConfig, evaluation: EvaluationConfig | None = None) -> dict[str, Any]:
    """Trains a row and measures the model of its last step on all validation images.

    A run that was cut off goes on from its last checkpoint.

    Args:
        config: All settings, of a task that learns objects.
        evaluation: How it is measured; None: four images at a time.

    Returns:
        Costs, and scores in 0..1: those of the task, and where it has masks those of the boxes around them as well.
    """
    assert config.task is not None
    training, validation = (open_dataset(config.data, part, task=config.task) for part in ("train", "val"))
    folder = Path(str(config.training.out))
    resume = (folder / "last.ckpt").exists()
    config = replace(config, training=replace(config.training, resume=resume))
    torch.manual_seed(config.training.seed)
    model, _ = prepare_model(config, training.classes)
    train_set = TrainingSet(
        training,
        config.data.augmentation,
        model.protocol.normalization,
        config.training.seed,
        objects=True,
    )
    run_training(model, train_set, None, config, operator_forms=operator_forms())
    memory = process_memory()
    model.to(choose_accelerator(config.training)).eval()
    boxes = InstanceEvaluator(model.num_classes, "boxes", model.protocol.objects.max_objects)

    def count_boxes(index: int, sample: Sample, result: Result) -> None:
        boxes.update(result.annotation, sample.annotation, index)

    start = time.monotonic()
    measured = measure(
        model,
        validation,
        evaluation or EvaluationConfig(batch_size=4),
        progress=False,
        observe=count_boxes,
    )
    seconds = (time.monotonic() - start) / len(validation)
    scores = measured.evaluator.scores()
    return {
        "steps": config.training.steps,
        "batch": config.training.batch_size,
        "seconds_a_step": round(seconds_a_step(folder), 3),
        "seconds_an_image": round(seconds, 3),
        "peak_memory_gb": memory,
        "device_memory_gb": device_memory(),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "precision": config.training.precision,
        **{name: scores[name] for name in SCORES},
        "boxes": {name: boxes.scores()[name] for name in SCORES},
    }
