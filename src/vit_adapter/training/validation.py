"""Validation during a run: the best model so far, and when to stop early."""

import copy
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from vit_adapter.config import InputError
from vit_adapter.config.files import system_reason, write_atomically
from vit_adapter.evaluation.loop import EvaluationResult
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.files import read_state_dict
from vit_adapter.weights.load import fit_state
from vit_adapter.weights.model_folder import WEIGHTS_FILE

from . import processes
from .joint_evaluation import JointEvaluation
from .run_state import RunState
from .signals import StopAsked, StopRequest
from .validation_plan import ValidationPlan

BEST, LAST_MODEL, SCORE_FILE = "best", "last", "score.json"


@dataclass
class ValidationState:
    """What a run remembers of its validations; a checkpoint keeps it (S46).

    Attributes:
        best_score: Highest headline score, 0..1; None before the first validation.
        best_step: Steps done then.
        waited: Validations since.
        stopped: The run was ended early.
        sample: Number of images that the scores are of; None: all. A score of other images does not compare.
        other_images: The validation data are no longer those that the best score was measured on.
        due: The validation after the last step was interrupted by a signal; it comes first when the run continues.
    """

    best_score: float | None = None
    best_step: int = 0
    waited: int = 0
    stopped: bool = False
    sample: int | None = None
    other_images: bool = False
    due: bool = False

    def take(self, score: float, step: int) -> bool:
        """Note a score; True if it is the best one. NaN is never the best unless it is the first."""
        better = self.best_score is None or score > self.best_score
        better = better or (math.isnan(self.best_score or 0.0) and not math.isnan(score))
        if better:
            self.best_score, self.best_step, self.waited = score, step, 0
        else:
            self.waited += 1
        return better


class Validation:
    """Evaluates every so many steps and at the end, keeps the best model, stops when nothing gets better.

    All decisions follow from the joint score, which is the same in all processes (S52).

    Args:
        evaluate: Gives the scores, equal in all processes.
        plan: Steps between validations, and what they measure.
        patience: Validations without a better score before the run stops; None: never.
        folder: The run's folder; "best" in it is the model with the highest score.
        state: Of a resumed run.
        average: Whose weights are validated and saved, if there is one.
        request: What signals ask; a validation under way is interrupted for it.

    Attributes:
        scores: Of the last validation; None before the first.
        seconds: That it took.
        best_result: What was measured of the best model, if this process measured it.
    """

    def __init__(
        self,
        evaluate: JointEvaluation,
        plan: ValidationPlan,
        patience: int | None,
        folder: Path,
        state: ValidationState,
        average: AveragedModel | None = None,
        request: StopRequest | None = None,
    ) -> None:
        self.request = request or StopRequest()
        self.evaluate, self.plan, self.patience = evaluate, plan, patience
        self.folder, self.state, self.average = folder, state, average
        self.scores: dict[str, float] | None = None
        self.seconds = 0.0
        self.best_result: EvaluationResult | None = None

    def begin(self, model: Segmenter, run: RunState) -> dict[str, float] | None:
        """Measure the best model again where its score is of other images than this run will measure.

        Returns:
            Scores of the validation that was interrupted after the last step, made up; None where none was.
        """
        state, sample = self.state, self.plan.sample
        if state.best_score is not None and (state.sample != sample or state.other_images):
            self._forget_what_is_gone()
        if state.best_score is not None and (state.sample != sample or state.other_images):
            best = saved_model(model, self.folder / BEST)
            state.best_score, state.waited = self.evaluate(best)[self.plan.headline], 0
            self.best_result = self.evaluate.result
            values = score_values(state.best_step, state.best_score, sample, self.plan.headline)
            processes.on_first_process(lambda: write_score(self.folder / BEST, values))
        state.sample, state.other_images = sample, False
        if not state.due:
            return None
        state.due = False
        return self.run(model, run)

    def due(self, step: int) -> bool:
        """Whether it is time, so many steps being done."""
        return step % self.plan.every == 0 or step == self.plan.steps

    def run(self, model: Segmenter, run: RunState) -> dict[str, float] | None:
        """Validate.

        Args:
            model: Trained so far.
            run: Where the run stands; it is told to stop.

        Returns:
            Scores; None where a signal interrupted it.
        """
        begin, step = time.monotonic(), run.step
        measured = model if self.average is None else cast(Segmenter, self.average.module)
        # After the last step there is nothing else to do, and several processes stop together after a step.
        waits = step == run.steps or processes.world_size() > 1
        try:
            with usual_memory_order(measured):
                self.scores = self._measure(measured, nullcontext() if waits else self.request.breaks_off())
                score = self.scores[self.plan.headline]
                self._forget_what_is_gone()
                if self.state.take(score, step):
                    self.best_result = self.evaluate.result
                    model.training_facts |= self._facts(step, score)
                    measured.training_facts |= model.training_facts
                    values = score_values(step, score, self.plan.sample, self.plan.headline)
                    best = self.folder / BEST
                    processes.on_first_process(lambda: save_model(measured, best, values))
        except StopAsked:
            self.state.due = run.stop_agreed = True
            return None
        if self.patience is not None and self.state.waited >= self.patience:
            self.state.stopped = run.stopped_early = True
        self.seconds = time.monotonic() - begin
        return self.scores

    def _measure(self, model: Segmenter, breaking_off: AbstractContextManager[None]) -> dict[str, float]:
        processes.share_buffers(model)
        model.eval()
        try:
            with breaking_off:
                return self.evaluate(model)
        finally:
            model.train()

    def _forget_what_is_gone(self) -> None:
        """A best score whose model was deleted no longer counts: the next model is the best one."""
        state = self.state
        there = processes.on_first_process(lambda: (self.folder / BEST).is_dir())
        if state.best_score is not None and not processes.broadcast(there):
            state.best_score = None

    def _facts(self, step: int, score: float) -> dict[str, Any]:
        images = self.plan.images if self.plan.sample is None else self.plan.sample
        return {"step": step, "images": images, self.plan.headline: None if math.isnan(score) else score}


def score_values(step: int, score: float, sample: int | None, headline: str) -> dict[str, Any]:
    """What ``score.json`` holds: of which step the model is, its score, and of how many images, if not of all."""
    values: dict[str, Any] = {"step": step, headline: None if math.isnan(score) else score}
    return values if sample is None else values | {"sample": sample}


def write_score(folder: Path, values: dict[str, Any]) -> None:
    """Replace the score beside a model.

    Raises:
        InputError: It cannot be written.
    """
    text = json.dumps(values, indent=2) + "\n"
    write_atomically(folder / SCORE_FILE, lambda place: place.write_text(text, encoding="utf-8"))


def saved_model(like: Segmenter, folder: Path) -> Segmenter:
    """A copy of a model with the weights of a model folder, in evaluation mode, on the same device.

    Raises:
        InputError: There are none, or they do not fit.
    """
    weights, file = read_state_dict(folder / WEIGHTS_FILE)
    model = copy.deepcopy(like)
    model.load_state_dict(fit_state(model.state_dict(), weights, file=file)[0])
    return model.to(memory_format=torch.contiguous_format).eval()  # pyright: ignore


@contextmanager
def usual_memory_order(model: nn.Module) -> Iterator[None]:
    """Inside the block, weights have the memory layout of a loaded model, outside the one that is faster in training.

    Sums are rounded differently in each order. With the same one, ``eval`` finds the very same score (S34).
    """
    model.to(memory_format=torch.contiguous_format)  # pyright: ignore
    try:
        yield
    finally:
        model.to(memory_format=torch.channels_last)  # pyright: ignore


def save_model(model: Segmenter, folder: Path, score: dict[str, Any]) -> None:
    """Write a model folder with its score beside the old one, then exchange them.

    Raises:
        InputError: It cannot be written; the old folder stays as it was.
    """
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    try:
        shutil.rmtree(new, ignore_errors=True)
        model.save_pretrained(new)
        (new / SCORE_FILE).write_text(json.dumps(score, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: the model cannot be written: {system_reason(error)}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def save_last_model(model: Segmenter, folder: Path, step: int) -> None:
    """Write the model of a run that has no best one.

    Raises:
        InputError: It cannot be written.
    """
    unmeasured = {"step": step, model.task.headline: None}
    model.training_facts |= unmeasured | {"images": None}
    save_model(model, folder, unmeasured)


def recover_model(folder: Path) -> None:
    """Bring the old folder back if a kill came between the two renames of ``save_model``."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)
