"""What every head promises, so that nothing above this room has to know which head it has."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError, ScoresAre, TaskName, TrainingConfig
from vit_adapter.config.box_rule import BoxRule

from .answers import Candidates, Detections, Queries, TransformersForm
from .frame import Frame
from .resize import resize_maps
from .views import JoiningRule, View


@dataclass(frozen=True)
class Objects:
    """The N objects that one image shows.

    Attributes:
        classes: int64 [N], 0..K-1.
        boxes: float32 [N, 4]: left, top, right, bottom in pixels of the image, ends exclusive.
        masks: bool [N, H, W], at the size of the image; None: only boxes are known.
        crowd: bool [N], regions of many objects that were not annotated one by one; None: there are none.
    """

    classes: Tensor
    boxes: Tensor
    masks: Tensor | None = None
    crowd: Tensor | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def required_masks(self) -> Tensor:
        """The masks, for a head that cannot do without.

        Raises:
            InputError: There are none.
        """
        if self.masks is None:
            raise InputError(
                "this head learns masks, and the objects have boxes alone; give masks, or switch them off "
                "(--model.head.masks false)"
            )
        return self.masks


@dataclass(frozen=True)
class Targets:
    """What a batch of images shows.

    Attributes:
        labels: int64 [B, H, W], 0..K-1 or ``ignore_index``, at the size of the images; None for a head that learns
            from objects alone.
        ignore_index: Label of pixels without a class.
        area: (height, width) that the pyramid covers: at least H×W, larger where images were padded at the right
            and at the bottom.
        objects: The objects of each image; None for a head that learns from labels alone.
        frames: The place of each image in the batch; None: all of them fill the area.
    """

    labels: Tensor | None
    ignore_index: int
    area: tuple[int, int]
    objects: Sequence[Objects] | None = None
    frames: Sequence[Frame] | None = None

    def required_labels(self) -> Tensor:
        """The labels, for a head that cannot do without.

        Raises:
            InputError: There are none.
        """
        if self.labels is None:
            raise InputError("this head learns from labels, which these targets do not have")
        return self.labels

    def required_objects(self) -> Sequence[Objects]:
        """The objects, for a head that cannot do without.

        Raises:
            InputError: There are none.
        """
        if self.objects is None:
            raise InputError("this head learns from objects, which these targets do not have")
        return self.objects

    def places(self, count: int) -> list[Frame]:
        """The place of each of ``count`` images."""
        return [Frame(self.area, self.area)] * count if self.frames is None else list(self.frames)


NO_CANDIDATES = (
    "cannot be exported with its boxes: it finds none, or looks at as many regions as the image makes it (mask_rcnn, "
    "cascade_mask_rcnn, htc); atss, gfl and sparse_rcnn can"
)


def is_loss(name: str) -> bool:
    """Whether an entry of what ``Head.loss`` gives is part of the sum that is minimized."""
    return name.rpartition(".")[2].startswith("loss")


class LossNotFinite(InputError):
    """Predictions hold NaN or infinity, so that no loss can be computed; every process raises it together."""


class Head(nn.Module, ABC):
    """From a feature pyramid to an answer, and the loss that trains it.

    A head that answers "semantic" has ``forward``; one that answers "instance", "panoptic" or "detection" has
    ``find``.

    Attributes:
        tasks: What it can be asked for; the first is what it is asked where nothing else is said.
        min_classes: Smallest number of classes it can learn.
        scores_are: What ``forward`` gives.
        takes_class_weights: Its loss weighs the pixels of each class.
        reaches_all_parameters: Every batch gives each trained parameter a gradient, whatever the images show.
        joins_views: What it finds in several views of an image it can join to one answer (``find_in_views``).
        pools_to_one_pixel: Some norm of it sees a single pixel an image.
        classifiers: Layers with one row per class, by their names inside the head.
        extra_rows: Rows that these layers have after those of the classes ("no object").
        exports_any_size: ``candidates`` can become a program for images of any size, and any number of them.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("semantic",)
    min_classes: ClassVar[int] = 2
    scores_are: ClassVar[ScoresAre] = "logits"
    takes_class_weights: ClassVar[bool] = True
    reaches_all_parameters: ClassVar[bool] = True
    joins_views: ClassVar[bool] = False
    pools_to_one_pixel: bool = False
    classifiers: ClassVar[tuple[str, ...]] = ("classifier",)
    extra_rows: ClassVar[int] = 0
    exports_any_size: ClassVar[bool] = True

    @classmethod
    def most_queries(cls, settings: Any) -> int | None:
        """How many objects it finds at most by its settings' ``queries``; None: it has none."""
        return None

    @classmethod
    def finest_anchors(cls, settings: Any) -> tuple[int, float] | None:
        """Stride in pixels and side in strides of the smallest square anchors by its settings; None: it has none."""
        return None

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Maps [B, C_i, h_i, w_i], fine to coarse, to scores [B, K, h_0, w_0].

        Raises:
            InputError: This head does not score pixels.
        """
        raise InputError(f"{type(self).__name__} does not score pixels: it answers {', '.join(self.tasks)}")

    def scores_at(self, pyramid: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Scores whose parts were resized before scores were made of them.

        Args:
            pyramid: See ``forward``.
            size: (height, width) that the area of the pyramid is brought to.

        Returns:
            [B, K, height, width].

        Raises:
            InputError: This head does not score pixels.
        """
        return resize_maps(self(pyramid), size)

    def stand_in_loss(self, pyramid: Sequence[Tensor], area: tuple[int, int], ignore_index: int) -> Tensor:
        """A scalar whose making and backward pass hold as much as the loss of usual images.

        It looks at no value, so that memory can be counted with tensors that have none.

        Args:
            pyramid: See ``forward``.
            area: (height, width) that the pyramid covers.
            ignore_index: Label of pixels without a class.

        Raises:
            InputError: This head learns from objects alone.
        """
        labels = torch.zeros(len(pyramid[0]), *area, dtype=torch.int64, device=pyramid[0].device)
        parts = self.loss(pyramid, Targets(labels, ignore_index, area))
        return torch.stack([value.sum() for name, value in parts.items() if is_loss(name)]).sum()

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> Queries | list[Detections]:
        """The objects of each image.

        Args:
            pyramid: See ``forward``.
            area: (height, width) in pixels of what is image, at least 1: the pyramid may cover more at the right and at
                the bottom. Boxes end there.

        Returns:
            Queries with their masks over all that the pyramid covers, or the detections of each of the B images.

        Raises:
            InputError: This head does not find objects.
        """
        raise InputError(f"{type(self).__name__} does not find objects: it answers {', '.join(self.tasks)}")

    def candidates(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> Candidates:
        """Every box that ``find`` chooses from, by the same arguments; ``box_rule`` says how. For other runtimes.

        Raises:
            InputError: This head does not find boxes, or looks at a number of regions that depends on the image.
        """
        raise InputError(f"{type(self).__name__}: {NO_CANDIDATES}")

    @property
    def box_rule(self) -> BoxRule:
        """How detections are chosen from ``candidates``; errors as there."""
        raise InputError(f"{type(self).__name__}: {NO_CANDIDATES}")

    def find_in_views(
        self, pyramids: Iterable[Sequence[Tensor]], views: Sequence[View], rule: JoiningRule
    ) -> Detections:
        """The objects of one image that is seen in several views; only where ``joins_views``.

        Args:
            pyramids: Of each view, a batch of one, see ``forward``; each is asked for once.
            views: How they were made.
            rule: How what is found in them becomes one answer.

        Returns:
            Boxes in pixels of the image.

        Raises:
            InputError: This head finds objects in one view alone.
        """
        raise InputError(f"{type(self).__name__} finds objects in one view alone")

    def in_transformers(self) -> TransformersForm:
        """The same head in Hugging Face's ``transformers``.

        Raises:
            InputError: There is none, or it has settings that are fixed there.
        """
        raise InputError(
            f"the model's head is {type(self).__name__}: expected Mask2Former, which is there too"
        )

    @abstractmethod
    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """Takes over what the settings say about the loss.

        Args:
            training: The settings.
            class_weights: One weight per class; None: all 1. Only where ``takes_class_weights``.
            ignore_index: Label of pixels without a class.
        """

    @abstractmethod
    def count(self, targets: Targets) -> float | None:
        """What the loss of a batch is a mean over: valid pixels, masks.

        Returns:
            None where it is the same for every batch of one size, such as all pixels.
        """

    @abstractmethod
    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """What training minimizes.

        Args:
            pyramid: See ``forward``.
            targets: What the images show.
            divisor: What sums are divided by instead of ``count(targets)``: the mean count of all forward passes
                of a step, so that their average is the loss of the joint batch.

        Returns:
            Scalars. Those whose name begins with "loss" after the last dot are summed and minimized; others are
            figures to show.

        Raises:
            InputError: Labels do not fit the pyramid or the classes.
            LossNotFinite: Predictions hold NaN or infinity.
        """
