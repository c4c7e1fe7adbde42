"""Prediction: images of any size to labels, as a segmenter's protocol says."""

import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypedDict, Unpack, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vit_adapter.config import ClassTable, InferenceConfig, InputError, Precision, TaskName
from vit_adapter.config.pixel_values import check_value_range
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.config.values import check_argument, check_kind
from vit_adapter.heads import Detections, Head, JoiningRule, Queries, View, resize_maps
from vit_adapter.images import ImageRemarks, read_image
from vit_adapter.tasks import (
    TASKS,
    Answers,
    AnyTask,
    DecodeSettings,
    DetectionResult,
    InstanceResult,
    PanopticResult,
    SemanticResult,
)
from vit_adapter.tasks.joined_segments import known_things

from .evaluation_mode import evaluation_mode
from .parts import channels_of

Prediction = SemanticResult | InstanceResult | PanopticResult
"""What ``Segmenter.predict`` gives for an image, by the task."""
ImageLike = str | Path | bytes | BinaryIO | Image.Image | np.ndarray | Tensor
"""What ``Segmenter.predict`` takes as one image."""
SeveralImages = list[Any] | tuple[Any, ...]
"""Several of them; each is an ``ImageLike``."""


class PredictOptions(TypedDict, total=False):
    """Arguments of ``Segmenter.predict`` beside images and task, for its overloads; it says what they mean."""

    batch_size: int
    protocol: InferenceConfig | None
    threshold: float | None
    precision: Precision
    value_range: tuple[float, float] | None
    score_threshold: float | None
    mask_threshold: float | None
    min_area: int | None


def _is_floating(image: Any) -> bool:
    """An array or tensor of floats, which is in 0..1 whatever range the model's files have."""
    if isinstance(image, Tensor):
        return image.is_floating_point()
    return isinstance(image, np.ndarray) and image.dtype.kind == "f"


class AppliedModel(nn.Module):
    """The part of a segmenter that applies it to images."""

    if TYPE_CHECKING:
        classes: ClassTable
        protocol: InferenceConfig
        head: Head
        task_name: TaskName

        @property
        def device(self) -> torch.device: ...

        def _pyramid(self, images: Tensor) -> tuple[list[Tensor], tuple[int, int]]: ...

    @property
    def task(self) -> AnyTask:
        """What the model is asked for unless a caller says otherwise: what it was trained for."""
        return self.task_named(self.task_name)

    def task_named(self, name: TaskName | None) -> AnyTask:
        """A task that head and classes answer; None: the model's own.

        Raises:
            InputError: The head does not answer it, or segments are asked for and no class says whether it is a thing.
        """
        name = name or self.task_name
        if name not in self.head.tasks or name not in TASKS:
            answered = ", ".join(task for task in self.head.tasks if task in TASKS)
            raise InputError(f"task {name!r}: this model's head answers {answered or 'none of the tasks'}")
        if name == "panoptic":
            known_things(self.classes)
        return TASKS[name]

    @overload
    def predict(
        self, images: SeveralImages, *, task: Literal["semantic"], **options: Unpack[PredictOptions]
    ) -> list[SemanticResult]: ...

    @overload
    def predict(
        self, images: SeveralImages, *, task: Literal["instance"], **options: Unpack[PredictOptions]
    ) -> list[InstanceResult]: ...

    @overload
    def predict(
        self, images: SeveralImages, *, task: Literal["panoptic"], **options: Unpack[PredictOptions]
    ) -> list[PanopticResult]: ...

    @overload
    def predict(
        self, images: SeveralImages, *, task: Literal["detection"], **options: Unpack[PredictOptions]
    ) -> list[DetectionResult]: ...

    @overload
    def predict(
        self, images: SeveralImages, *, task: TaskName | None = None, **options: Unpack[PredictOptions]
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self, images: ImageLike, *, task: Literal["semantic"], **options: Unpack[PredictOptions]
    ) -> SemanticResult: ...

    @overload
    def predict(
        self, images: ImageLike, *, task: Literal["instance"], **options: Unpack[PredictOptions]
    ) -> InstanceResult: ...

    @overload
    def predict(
        self, images: ImageLike, *, task: Literal["panoptic"], **options: Unpack[PredictOptions]
    ) -> PanopticResult: ...

    @overload
    def predict(
        self, images: ImageLike, *, task: Literal["detection"], **options: Unpack[PredictOptions]
    ) -> DetectionResult: ...

    @overload
    def predict(
        self, images: ImageLike, *, task: TaskName | None = None, **options: Unpack[PredictOptions]
    ) -> Prediction: ...

    def predict(
        self,
        images: Any,
        *,
        batch_size: int = 4,
        protocol: InferenceConfig | None = None,
        threshold: float | None = None,
        precision: Precision = "float32",
        value_range: tuple[float, float] | None = None,
        task: TaskName | None = None,
        score_threshold: float | None = None,
        mask_threshold: float | None = None,
        min_area: int | None = None,
    ) -> Prediction | Sequence[Prediction]:
        """Segments images of any size as the model's protocol says, in evaluation mode.

        Args:
            images: A path, the bytes of an image file, an open binary file, PIL image, uint8 or uint16 array (H×W×C,
                RGB), uint8 tensor (C×H×W), floats in 0..1; or a list of them.
            batch_size: Windows processed together.
            protocol: Another way of applying the model than its own.
            threshold: For two classes: smallest probability of class 1 that makes a pixel class 1.
            precision: Of the network; scores are merged in float32.
            value_range: Values of black and white, for whole numbers of more than 8 bits and for floats of any range;
                None: the model's own for files and whole numbers, 0 and 1 for arrays and tensors of floats.
            task: What is asked for; None: what the model was trained for.
            score_threshold: Of objects the smallest score, of segments the smallest probability of their class, 0..1;
                this and the next two are the protocol's where they are None.
            mask_threshold: Of objects and segments: smallest probability of the pixels of a mask, 0..1.
            min_area: Objects and segments of fewer pixels are left out.

        Returns:
            By the task a ``SemanticResult`` (labels are made now, probabilities when they are asked for), an
            ``InstanceResult`` or a ``PanopticResult``; a list of them for a list.

        Raises:
            InputError: An image cannot be read, its values are in another range, or the head does not answer the task.
        """
        check_argument("batch_size", batch_size, int, at_least=1)
        check_argument("threshold", threshold, float | None, at_least=0, at_most=1)
        check_argument("precision", precision, Precision)
        known = (InferenceConfig, type(None))
        check_kind(
            "protocol", protocol, known, "an InferenceConfig, such as replace(model.protocol, flip=True)"
        )
        check_value_range(value_range, "value_range")
        asked = self.task_named(task)
        protocol = with_thresholds(protocol or self.protocol, score_threshold, mask_threshold, min_area)
        channels = channels_of(self, protocol)
        several = isinstance(images, (list, tuple))
        remarks = ImageRemarks()
        arrays = [
            read_image(
                image,
                channels,
                value_range=value_range or (None if _is_floating(image) else protocol.value_range),
                remarks=remarks,
            )
            for image in (images if several else [images])
        ]
        for line in remarks.lines():
            warnings.warn(line, stacklevel=2)
        settings = DecodeSettings(
            protocol, self.classes, self.head.scores_are, batch_size, self.device, threshold, held=not several
        )
        answers = Answers(
            partial(self._window_scores, precision=precision),
            partial(self._window_objects, precision=precision),
            partial(self._objects_in_views, precision=precision) if self.head.joins_views else None,
        )
        with evaluation_mode(self):
            results: list[Prediction] = [*asked.decode(answers, arrays, settings)]
        return results if several else results[0]

    @torch.no_grad()
    def _window_scores(
        self, windows: Tensor, size: tuple[int, int] | None = None, *, precision: str
    ) -> Tensor:
        """[B, K, h/4, w/4] scores of windows padded to multiples of 32, in evaluation mode; at least float32.

        With a ``size``, scores [B, K, *size] of the windows alone: the head resizes its own answers.
        """
        kind = getattr(torch, precision)
        automatic = torch.autocast(windows.device.type, kind, enabled=precision != "float32")
        with evaluation_mode(self), automatic:  # also for probabilities that are asked for later
            pyramid, padded = self._pyramid(windows)
            own = (windows.shape[-2], windows.shape[-1])
            if size is None:
                scores = self.head(pyramid)
            elif own == padded:
                scores = self.head.scores_at(pyramid, size)
            else:  # what was padded is cut off before the scores are brought to any other size
                scores = self.head.scores_at(pyramid, padded)[..., : own[0], : own[1]]
                scores = resize_maps(scores, size)
        return scores.to(torch.promote_types(scores.dtype, torch.float32))

    @torch.no_grad()
    def _window_objects(self, windows: Tensor, precision: str) -> Queries | list[Detections]:
        """What the head finds in windows padded to multiples of 32; queries at least in float32.

        Raises:
            InputError: The answer is not finite.
        """
        kind = getattr(torch, precision)
        automatic = torch.autocast(windows.device.type, kind, enabled=precision != "float32")
        with evaluation_mode(self), automatic:
            pyramid, _ = self._pyramid(windows)
            answer = self.head.find(pyramid, (windows.shape[-2], windows.shape[-1]))
        if not isinstance(answer, Queries):
            return answer
        parts = [
            part.to(torch.promote_types(part.dtype, torch.float32)) for part in (answer.classes, answer.masks)
        ]
        if not all(bool(torch.isfinite(part).all()) for part in parts):
            raise InputError(
                "the model gave scores that are not finite: its weights are damaged, or half precision overflowed "
                "(try float32)"
            )
        return Queries(*parts)

    @torch.no_grad()
    def _objects_in_views(
        self, images: Iterable[Tensor], views: Sequence[View], rule: JoiningRule, *, precision: str
    ) -> Detections:
        """What the head finds in several views [1, C, h, w] of one image."""
        kind = getattr(torch, precision)
        automatic = torch.autocast(self.device.type, kind, enabled=precision != "float32")
        with evaluation_mode(self), automatic:
            return self.head.find_in_views((self._pyramid(image)[0] for image in images), views, rule)
