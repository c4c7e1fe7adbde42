"""Validation shared among processes: each evaluates its part of the images, the counts are added up."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vit_adapter.config import EvaluationConfig, InputError
from vit_adapter.data.sample import AnnotatedImages, Sample
from vit_adapter.evaluation.loop import EvaluationResult, counted_names, measure, new_evaluator, worst_of
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks import Result

from . import processes

EXAMPLES = 3
"""Images whose overlays are kept of each validation."""


class DatasetPart:
    """Some images of a data set.

    Args:
        dataset: All images.
        indices: Numbers of those that belong to the part.
    """

    def __init__(self, dataset: AnnotatedImages, indices: Sequence[int]) -> None:
        self.dataset, self.classes, self.config = dataset, dataset.classes, dataset.config
        self.indices = list(indices)
        self.names = [dataset.names[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Sample:
        """Image and labels."""
        return self.dataset.read(self.indices[index])


class JointEvaluation:
    """Model to joint scores over a data set, each image measured by one of the processes.

    Scores come from the counts of all processes together, never from an average of their scores (S52).

    Args:
        dataset: All images, or a ``DatasetPart``.
        config: How they are measured; ``limit`` counts those of all processes together.

    Attributes:
        result: What the last call measured, equal in all processes; None before the first.
        examples: Of the last call: uint8 [H, 2 W, 3], truth beside prediction, of some of this process's images.
        listener: Called with (images done, images in all) of this process.
    """

    def __init__(self, dataset: AnnotatedImages, config: EvaluationConfig) -> None:
        self.dataset, self.config = dataset, config
        self.result: EvaluationResult | None = None
        self.examples: list[np.ndarray] = []
        self.listener: Callable[[int, int], None] | None = None

    def __call__(self, model: Segmenter) -> dict[str, float]:
        """Measure.

        Args:
            model: In evaluation mode.

        Returns:
            The evaluator's scores, 0..1, by name ("mIoU", "mAcc", "aAcc"), the same in all processes.

        Raises:
            InputError: A process met a file that cannot be used; all of them stop.
        """
        count = len(self.dataset) if self.config.limit is None else min(self.config.limit, len(self.dataset))
        part = DatasetPart(self.dataset, range(processes.rank(), count, processes.world_size()))
        own, error = None, None
        try:
            own = self._measure(model, part)
        except InputError as problem:
            error = str(problem)
        errors = [message for message in processes.gather(error) if message is not None]
        if errors:
            processes.stop_together(errors[0])
        self.result = _joined(processes.gather(own), model, self.config)
        return self.result.evaluator.scores()

    def _measure(self, model: Segmenter, part: DatasetPart) -> EvaluationResult | None:
        """Measure this process's part, with the images' numbers in the whole data set; None of an empty part."""
        self.examples = []
        if len(part) == 0:  # more processes than images
            return None
        shown = set(np.linspace(0, len(part) - 1, min(EXAMPLES, len(part))).astype(int).tolist())
        done = 0

        def observe(index: int, sample: Sample, predicted: Result) -> None:
            nonlocal done
            done += 1
            if index in shown and processes.rank() == 0:
                self.examples.append(_truth_and_prediction(model, sample, predicted))
            if self.listener is not None:
                self.listener(done, len(part))

        settings = replace(self.config, limit=None, worst=0)
        return measure(model, part, settings, progress=False, observe=observe, numbers=part.indices)


def _joined(
    parts: list[EvaluationResult | None], model: Segmenter, config: EvaluationConfig
) -> EvaluationResult:
    found = [part for part in parts if part is not None]
    evaluator = new_evaluator(model, found[0].left_out_labels)
    evaluator.merge(part.evaluator.state() for part in found)
    images = sorted((image for part in found for image in part.images), key=lambda image: image.index)
    skipped = sorted(pair for part in found for pair in part.skipped)
    return EvaluationResult(
        evaluator,
        counted_names(model),
        config,
        sum(part.measured for part in found),
        worst_of(images, config.worst),
        skipped,
        None,
        images,
        left_out_labels=found[0].left_out_labels,
    )


def _truth_and_prediction(model: Segmenter, sample: Sample, predicted: Result) -> np.ndarray:
    truth = model.task.drawn(sample.image, sample.annotation, model.classes)
    return np.concatenate([np.asarray(one.on_sheet()) for one in (truth, predicted)], axis=1)
