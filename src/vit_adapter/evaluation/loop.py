"""A model over a data set: every image at its own size, counted by one evaluator."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vit_adapter.config import EvaluationConfig, InferenceConfig, InputError
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.data.sample import AnnotatedImages, Sample
from vit_adapter.images import UnreadableImageError
from vit_adapter.metrics import (
    ConfusionMatrix,
    InstanceEvaluator,
    PanopticEvaluator,
    Scores,
    SemanticEvaluator,
)
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks import Result

from .exclusion import labels_left_out

REST = "(nothing there)"
"""How the pixels without an object are called where a model has a single class; ignored ones are among them."""


AnyEvaluator = SemanticEvaluator | InstanceEvaluator | PanopticEvaluator
"""What counts the results of a task."""


@dataclass(frozen=True)
class ImageScore:
    """One image's own result.

    Attributes:
        name: Its name in the data set.
        index: Its number there.
        score: Its own headline score, 0..1 (mIoU: over the classes in its truth or prediction); None if nothing counts.
        figures: What else its evaluator says of it, see ``Evaluator.figures``.
    """

    name: str
    index: int
    score: float | None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationResult:
    """What a model reached on a data set.

    Attributes:
        evaluator: What was counted, over all images.
        class_names: Names of the classes.
        config: How it was measured.
        measured: Number of images that were measured.
        worst: The images with the lowest scores of their own, worst first.
        skipped: (name, reason) of the images that could not be decoded.
        protocol: How the model was applied; None: as its own protocol says.
        images: Every measured image's own result, in the order of the data set.
        published: F1 follows the published rule, which leaves out classes that are never predicted; otherwise they
            count as 0, as in Dice.
        left_out_labels: Of the classes that no mean takes in, as it was asked for.
    """

    evaluator: AnyEvaluator
    class_names: tuple[str, ...]
    config: EvaluationConfig
    measured: int
    worst: list[ImageScore] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    protocol: InferenceConfig | None = None
    images: list[ImageScore] = field(default_factory=list)
    published: bool = False
    left_out_labels: frozenset[int] = frozenset()

    @property
    def headline(self) -> str:
        """Name of the score by which models are compared."""
        return self.evaluator.headline

    @property
    def score(self) -> float:
        """The headline score, 0..1; NaN if it cannot be said."""
        return self.evaluator.scores()[self.headline]

    @property
    def semantic(self) -> SemanticEvaluator | None:
        """The evaluator of labels; None where objects or segments were measured."""
        return self.evaluator if isinstance(self.evaluator, SemanticEvaluator) else None

    @property
    def scores(self) -> Scores:
        """Over all pixels together.

        Raises:
            InputError: Objects or segments were measured, not labels; see ``evaluator``.
        """
        return self._of_labels().class_scores(self.published)

    @property
    def matrix(self) -> ConfusionMatrix:
        """Counts, truth by prediction; errors as of ``scores``."""
        return self._of_labels().matrix

    def _of_labels(self) -> SemanticEvaluator:
        if self.semantic is None:
            raise InputError(
                f"this evaluation is by {self.headline}; only one of labels has a confusion matrix: see evaluator"
            )
        return self.semantic

    @property
    def void_pixels(self) -> int:
        """Pixels labelled as ignored, which count nowhere."""
        return self.matrix.ignored

    @property
    def left_out(self) -> list[str]:
        """Names of the classes that no mean takes in."""
        return [name for label, name in enumerate(self.class_names) if label in self.left_out_labels]


def measure(
    model: Segmenter,
    dataset: AnnotatedImages,
    config: EvaluationConfig | None = None,
    *,
    protocol: InferenceConfig | None = None,
    progress: bool = True,
    observe: Callable[[int, Sample, Result], None] | None = None,
    published: bool = False,
    numbers: Sequence[int] | None = None,
) -> EvaluationResult:
    """Measures a model; memory grows by a few numbers for each image, not by images (S56).

    Args:
        model: A ``Segmenter``: ``predict`` gives results at the image's own size, the same walk as prediction; its
            ``task`` says how they are compared with the truth.
        dataset: A ``data.AnnotatedImages``.
        config: Limit, batch, precision, threshold, number of worst images.
        protocol: How the model is applied; None: as its own protocol says.
        progress: Show a progress bar on the error stream.
        observe: Called with number, sample and prediction of every image.
        published: F1 by the published rule.
        numbers: Of each image its number in a larger data set, of which this one is a part; None: it is no part.

    Returns:
        Scores, those of each image, and which are the worst.

    Raises:
        InputError: No image could be measured, a mask cannot be used, or, where the data set's
            ``stop_on_bad_image`` says so, an image cannot be decoded.
    """
    config = config or EvaluationConfig()
    count = len(dataset) if config.limit is None else min(config.limit, len(dataset))
    if count == 0:
        raise InputError("the data set has no image to evaluate on")
    left_out = labels_left_out(config.exclude_from_mean, model, dataset)
    evaluator = new_evaluator(model, left_out, protocol)
    measured_with = model.task.measured_with.copy()
    if "score_threshold" in measured_with:
        measured_with["score_threshold"] = config.object_threshold
    images: list[ImageScore] = []
    skipped: list[tuple[str, str]] = []
    for group in _groups(dataset, count, config.batch_size, skipped, progress):
        results = model.predict(
            [sample.image for _, sample in group],
            batch_size=config.batch_size,
            protocol=protocol,
            threshold=config.threshold,
            precision=config.precision,
            **measured_with,
        )
        for (index, sample), result in zip(group, results, strict=True):
            own = new_evaluator(model, left_out, protocol)
            number = index if numbers is None else numbers[index]
            score = own.update(result.annotation, sample.annotation, number)
            evaluator.merge([own.state()])
            images.append(ImageScore(dataset.names[index], number, score, own.figures()))
            if observe is not None:
                observe(index, sample, result)
    if len(skipped) == count:
        raise InputError(f"none of the {count} images could be read; the first: {skipped[0][1]}")
    return EvaluationResult(
        evaluator,
        counted_names(model),
        config,
        count - len(skipped),
        worst_of(images, config.worst),
        skipped,
        protocol,
        images=images,
        published=published,
        left_out_labels=left_out,
    )


def new_evaluator(
    model: Segmenter, left_out: Collection[int], protocol: InferenceConfig | None = None
) -> AnyEvaluator:
    """What counts the results of a model, before the first one.

    Args:
        model: Its task and its classes count.
        left_out: Labels of the classes that no mean takes in.
        protocol: How the model is applied; None: as its own protocol says.
    """
    applied = protocol or getattr(model, "protocol", None) or InferenceConfig()
    return model.task.evaluator(model.classes, left_out, applied.objects.max_objects)


def worst_of(images: list[ImageScore], count: int) -> list[ImageScore]:
    """The ``count`` images with the lowest scores of their own, worst first; those without a score are left out."""
    scored = [(image.score, image.index, image) for image in images if image.score is not None]
    return [image for _, _, image in sorted(scored, key=lambda entry: entry[:2])[:count]]


def counted_names(model: Segmenter) -> tuple[str, ...]:
    """Names of what a model's evaluator counts: of label maps of a single class also where it is not."""
    alone = model.num_classes == 1 and model.task.name == "semantic"
    return (*model.class_names, REST) if alone else tuple(model.class_names)


def _groups(
    dataset: AnnotatedImages, count: int, size: int, skipped: list[tuple[str, str]], progress: bool
) -> Iterator[list[tuple[int, Sample]]]:
    """Samples in groups that are handled together; images that cannot be decoded are noted and left out."""
    with ProgressBar("evaluating", count, shown=progress) as bar:
        group: list[tuple[int, Sample]] = []
        for index in range(count):
            try:
                group.append((index, dataset.read(index)))
            except UnreadableImageError as error:
                if dataset.config.stop_on_bad_image:
                    raise
                skipped.append((dataset.names[index], str(error)))
            if len(group) == size:
                yield group
                group = []
            bar.update(index + 1)
        if group:
            yield group
