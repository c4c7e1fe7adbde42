"""The score that counts: the best model on all validation images, after the last step."""

import json
from pathlib import Path

import torch

from vit_adapter.evaluation.loop import EvaluationResult

from . import processes
from .joint_evaluation import JointEvaluation
from .preparation import PreparedRun
from .progress import evaluation_progress
from .recording import Recording
from .validation import BEST, SCORE_FILE, Validation, saved_model, score_values, write_score


def evaluate_best(
    prepared: PreparedRun, validation: Validation, recording: Recording, device: torch.device
) -> EvaluationResult:
    """What the best model reaches on all images; measured only if no validation on the way has done so.

    After a run that validated on a sample, ``score.json`` and the run's records get the score of all images.

    Args:
        prepared: The run that is over.
        validation: Its validation.
        recording: Of its figures.
        device: Where the measured copy of the model goes.

    Raises:
        InputError: Weights or images cannot be read, or ``score.json`` cannot be written.
    """
    state, plan, images = validation.state, validation.plan, prepared.validation_set
    assert state.best_score is not None
    assert images is not None
    if plan.sample is None and validation.best_result is not None:
        return validation.best_result
    evaluation = JointEvaluation(images, prepared.config.evaluation)
    quiet = prepared.config.training.quiet
    with evaluation_progress(prepared.console, plan.images, quiet) as evaluation.listener:
        evaluation(saved_model(prepared.model, validation.folder / BEST).to(device))
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
