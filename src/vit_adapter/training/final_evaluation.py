"""The score that counts: the best model on all validation images, after the last step."""

import json
from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import EvaluationConfig
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.evaluation.loop import EvaluationResult
from vit_adapter.segmenter import Segmenter

from . import processes
from .joint_evaluation import JointEvaluation
from .recording import Recording
from .validation import BEST, SCORE_FILE, Validation, saved_model, score_values, write_score


def evaluate_best(
    validation: Validation,
    recording: Recording,
    model: Segmenter,
    dataset: AnnotatedImages,
    config: EvaluationConfig,
    device: torch.device,
    announce: Any,
) -> EvaluationResult:
    """What the best model reaches on all images; measured only if no validation on the way has done so.

    After a run that validated on a sample, ``score.json`` and the run's records get the score of all images.

    Args:
        validation: Of the run that is over.
        recording: Of the same run.
        model: The run's model, of which a copy gets the best weights.
        dataset: All validation images.
        config: How they are measured.
        device: Where the measured copy goes.
        announce: Called with the number of images before they are measured; gives what is told (done, in all)
            meanwhile, or None.

    Raises:
        InputError: Weights or images cannot be read, or ``score.json`` cannot be written.
    """
    state, plan = validation.state, validation.plan
    assert state.best_score is not None
    if plan.sample is None and validation.best_result is not None:
        return validation.best_result
    evaluation = JointEvaluation(dataset, config)
    evaluation.listener = announce(plan.images)
    evaluation(saved_model(model, validation.folder / BEST).to(device))
    result = evaluation.result
    assert result is not None
    if plan.sample is not None:
        step, folder = state.best_step, validation.folder / BEST
        processes.on_first_process(lambda: replace_sample_score(folder, step, state.best_score, result))
        processes.on_first_process(lambda: recording.add_final(step, result.evaluator.scores()))
    return result


def replace_sample_score(
    folder: Path, step: int, sample_score: float | None, result: EvaluationResult
) -> None:
    """Put the score of all images beside the best model, where that of a sample is.

    Args:
        folder: The best model's.
        step: Steps that it was trained.
        sample_score: Headline score of the sample, 0..1.
        result: What was measured on all images.

    Raises:
        InputError: It cannot be written.
    """
    stored = json.loads((folder / SCORE_FILE).read_text(encoding="utf-8"))
    if "sample" in stored and sample_score is not None:
        headline = result.headline
        values = score_values(step, result.score, None, headline)
        of_sample = score_values(step, sample_score, None, headline)[headline]
        write_score(folder, values | {f"sample_{headline}": of_sample})
