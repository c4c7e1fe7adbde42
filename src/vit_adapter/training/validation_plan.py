"""How often a run validates and on how many images, so that validation stays a small part of it.

Everything follows from counts (steps, batch, images, windows), never from the clock: the same run validates at the
same steps on the same images on every machine, and after a restart.
"""

from dataclasses import dataclass, replace

import numpy as np

from vit_adapter.config import InferenceConfig, InputError, RunConfig, TrainingConfig
from vit_adapter.config.counting import counted, evenly_spread
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.images import UnreadableImageError
from vit_adapter.inference.cost import seen_pixels
from vit_adapter.metrics import SemanticEvaluator
from vit_adapter.segmenter import Segmenter

LARGEST_SHARE = 0.1
"""Of the time of training: what validation may take where the settings leave it open."""

DEAR = 0.3
"""Share of the time above which a run says how validation could take less."""

TRAINING_PASS = 3.0
"""Forward passes that a training pass costs: one forward, and about two for the backward pass."""

USUAL_COUNT, SMALLEST_COUNT = 10, 5
"""Validations in a run. With all images at least the smaller number is made, or a sample is taken."""

USEFUL_SAMPLE, SMALLEST_SAMPLE = 16, 4
"""Images: rather fewer validations than samples below the larger number, and none below the smaller one."""

LOOKED_AT = 5
"""Images whose sizes stand for those of all."""


@dataclass(frozen=True)
class ValidationPlan:
    """When and on what a run validates.

    Attributes:
        steps: Length of the run.
        every: Steps between validations; there is one after the last step, too.
        images: Validation images that count at the end; 0: there is no validation.
        sample: Images of each validation on the way; None: all of them.
        image_cost: What one image costs, in training steps; None: not known (no image is at hand).
        headline: Name of the score by which models are compared.
    """

    steps: int
    every: int
    images: int
    sample: int | None
    image_cost: float | None
    headline: str = SemanticEvaluator.headline

    @property
    def count(self) -> int:
        """Validations on the way, including the one after the last step."""
        return -(-self.steps // self.every)

    @property
    def measured_images(self) -> int:
        """Images measured in the whole run; an image counts each time."""
        return self.images_after(0)

    def images_after(self, step: int) -> int:
        """Images that are still to be measured when the validation after a step, if there is one, is done."""
        validations = self.count - (self.count if step >= self.steps else step // self.every)
        if self.sample is None:
            return validations * self.images
        return validations * self.sample + self.images

    @property
    def share(self) -> float | None:
        """Estimated share of validation in the time of the run, 0..1; None where it is not known."""
        if self.image_cost is None:
            return None
        cost = self.measured_images * self.image_cost
        return cost / (self.steps + cost)

    def indices(self) -> list[int]:
        """Numbers of the images that are measured on the way: spread evenly, always the same."""
        if self.sample is None:
            return list(range(self.images))
        return evenly_spread(self.images, self.sample)

    def words(self) -> str:
        """The plan as a line for the user; empty where there is no validation."""
        if not self.images:
            return ""
        every = "after each step" if self.every == 1 else f"every {self.every} steps"
        every = every if self.count > 1 else "at the end"
        if self.sample is None:
            images = f"all {self.images} images" if self.images > 1 else "1 image"
            text = f"{every} on {images}"
        else:
            text = f"{every} on a fixed sample of {counted(self.sample, 'image')}, at the end on all {self.images}"
        return text if self.share is None else f"{text}; {_percent(self.share)} of the run's time"

    def advice(self, training: TrainingConfig) -> list[str]:
        """A line about how validation could take less of the run, where it takes much."""
        if self.share is None or self.share <= DEAR:
            return []
        takes = f"validation takes {_percent(self.share)} of the run's time:"
        if training.validate_every is None:
            return [
                f"{takes} the run is short for {counted(self.images, 'image')}"
                + ("; evaluation.limit measures only the first ones" if self.images > 1 else "")
            ]
        return [
            f"{takes} leave out training.validate_every ({_percent(LARGEST_SHARE)}), or set how many images to measure "
            "during the run: training.validation_sample"
        ]

    @property
    def score_name(self) -> str:
        """What the headline score on the way is called in tables and curves."""
        return self.headline + self.sample_ending

    @property
    def sample_ending(self) -> str:
        """What is put behind the name of a score on the way: nothing, or that it is one of a sample."""
        return "" if self.sample is None else f" (sample of {self.sample})"


def plan_of(
    config: RunConfig, model: Segmenter, validation_set: AnnotatedImages | None, processes: int
) -> ValidationPlan:
    """The plan of a run.

    Args:
        config: All settings.
        model: A ``Segmenter``, for its protocol and its task.
        validation_set: All validation images; None: there are none, and no validation.
        processes: Number of processes.
    """
    training = config.training
    if validation_set is None:
        return ValidationPlan(training.steps, training.steps, 0, None, None, model.task.headline)
    batch = processes * training.batch_size * training.accumulate
    crop = config.data.augmentation.crop or model.protocol.crop
    cost = image_cost(validation_set, model.protocol, crop, batch)
    plan = plan_validation(training, len(validation_set), cost, config.evaluation.limit)
    return replace(plan, headline=model.task.headline)


def plan_validation(
    training: TrainingConfig, images: int, image_cost: float | None, limit: int | None = None
) -> ValidationPlan:
    """The plan of a run.

    What ``training.validate_every`` and ``training.validation_sample`` say is done. Without them, ten validations of
    all images if these cost at most a tenth of the training; or fewer, at least five; or validations of a sample,
    and one of all images at the end. (Where that last one alone costs about a tenth, the sample gets a fortieth.)

    Args:
        training: Settings.
        images: Number of validation images.
        image_cost: What measuring one costs, in training steps; None: not known.
        limit: ``evaluation.limit``: only so many images count.
    """
    steps = training.steps
    images = images if limit is None else min(limit, images)
    sample = training.validation_sample
    whole = sample is not None and sample >= images
    every = training.validate_every or max(1, steps // USUAL_COUNT)
    if training.validate_every is not None or image_cost is None:
        return ValidationPlan(steps, every, images, None if whole else sample, image_cost)
    budget = LARGEST_SHARE * steps / image_cost  # in images
    if whole or sample is None:
        if -(-steps // every) * images <= budget:
            return ValidationPlan(steps, every, images, None, image_cost)
        fewer = max(int(budget / images), 2 if whole else 0)
        if whole or fewer >= SMALLEST_COUNT:
            return ValidationPlan(steps, -(-steps // fewer), images, None, image_cost)
    on_the_way = max(budget - images, budget / 4)
    count = min(USUAL_COUNT, max(2, int(on_the_way / (sample or USEFUL_SAMPLE))), steps)
    sample = sample or max(SMALLEST_SAMPLE, int(on_the_way / count))
    saves = count * sample + images < count * images
    return ValidationPlan(steps, -(-steps // count), images, sample if saves else None, image_cost)


def image_cost(dataset: AnnotatedImages, protocol: InferenceConfig, crop: int, batch: int) -> float | None:
    """What measuring an image costs, in training steps: pixels that the model sees, by those of a batch.

    Args:
        dataset: Validation images; a few of them are looked at.
        protocol: How the model is applied to them.
        crop: Side of a training image in pixels.
        batch: Images of a step, over all processes and accumulated batches.

    Returns:
        None if none of the images can be read.
    """
    pixels = []
    for index in evenly_spread(len(dataset), LOOKED_AT):
        try:
            height, width = dataset.read(index).image.shape[:2]
        except (UnreadableImageError, InputError):  # validation says so when its turn comes
            continue
        pixels.append(seen_pixels((height, width), protocol))
    if not pixels:
        return None
    return float(np.mean(pixels)) / (TRAINING_PASS * batch * crop * crop)


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"about {100 * share:.0f} %"
