"""Backbone and head as one model: scores, loss, prediction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.annotations import InstanceTensors
from vit_adapter.backbones import build_backbone, describe_backbone, prepared_images
from vit_adapter.config import (
    ClassTable,
    HeadConfig,
    InferenceConfig,
    InputError,
    ModelConfig,
    Precision,
    TaskName,
    TrainingConfig,
)
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.model import HEAD_CONFIGS, config_of_kind
from vit_adapter.heads import (
    CustomHead,
    Frame,
    Head,
    Objects,
    Place,
    Targets,
    build_auxiliary_head,
    build_head,
    checked_labels,
    is_loss,
    resize_maps,
)
from vit_adapter.inference.strips import CLASSES_LAST_FROM
from vit_adapter.ops import memory_layout
from vit_adapter.tasks import TrainingTruth
from vit_adapter.weights.report import LoadReport

from .maps import checked_maps, map_widths
from .optimizing import OptimizeMode, optimize
from .parts import check_labels, check_number_of_classes, class_table, normalization_of
from .prediction import AppliedModel
from .storage import StoredModel


class Segmenter(AppliedModel, StoredModel):
    """A feature pyramid and a head on it, with its classes and the way it is applied to an image.

    Args:
        backbone: Gives a list of maps, fine to coarse; ``channels`` and ``strides`` describe them.
        head: "upernet", "fcn", "mask2former"; the settings of one of them; or a module from the list of maps to
            scores at stride 4.
        num_classes: Number of classes; with ``classes`` or ``class_names`` their number.
        class_names: Their names; None: "class 0" ...
        classes: Names, mask values and colours together, instead of ``class_names``.
        protocol: How it is applied to an image; None: windows of 512 pixels, native resolution, the backbone's
            own normalisation.
        norm: "batch" or "group", in the head; None: as in the backbone.
        task: What it learns and is asked for; None: the first of what the head answers.

    Attributes:
        load_report: What happened to every entry of the file its weights came from; None without one.
        training_facts: Where the weights come from, as far as it is known, for ``config.json`` and the model card:
            "pretrained" (whether published weights of the ViT were loaded), and of a training run "step", "ema_decay",
            "mIoU" (0..1) and "images" (number of validation images it was measured on).
        head: The head; its ``criterion`` is what ``loss`` computes.
        optimizations: What ``optimize`` did, for people; empty: nothing.
        task_name: What the model learns and is asked for.
        auxiliary_head: A second head that helps to train and is not asked for predictions; None without one.

    Raises:
        InputError: The arguments contradict each other.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: str | HeadConfig | nn.Module = "upernet",
        num_classes: int | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        protocol: InferenceConfig | None = None,
        norm: Literal["batch", "group"] | None = None,
        task: TaskName | None = None,
    ) -> None:
        super().__init__()
        self.classes = class_table(num_classes, class_names, classes)
        self.num_classes = len(self.classes)
        self.backbone = backbone
        self.protocol = protocol or InferenceConfig(normalization=normalization_of(backbone))
        own = describe_backbone(backbone)
        norm = norm or ("batch" if own is None else own.norm)
        if own is not None and own.norm != norm:
            raise InputError(f"norm={own.norm!r} in the backbone but {norm!r} in the head")
        self.auxiliary_head: Head | None = None
        self.auxiliary_weight = 0.0
        self.optimizations: tuple[str, ...] = ()
        self.model_config: ModelConfig | None = None
        if isinstance(head, nn.Module):
            self.head = head if isinstance(head, Head) else CustomHead(head)
        else:
            settings = config_of_kind(HEAD_CONFIGS, head, "head") if isinstance(head, str) else head
            channels = map_widths(backbone, settings)
            self.head = build_head(settings, channels, self.num_classes, norm)
            auxiliary = build_auxiliary_head(settings, channels, self.num_classes, norm)
            if auxiliary is not None:
                self.auxiliary_head, self.auxiliary_weight = auxiliary
            self.model_config = None if own is None else replace(own, head=settings)
        check_number_of_classes(self.classes, self.head.min_classes)
        self.task_name: TaskName = task or self.head.tasks[0]
        if task is not None:
            self.task_named(task)  # refuses what the head does not answer
        self.load_report: LoadReport | None = getattr(backbone, "load_report", None)
        self.training_facts: dict[str, Any] = {"pretrained": self.load_report is not None}
        self.configure_loss(TrainingConfig())

    @classmethod
    def from_config(
        cls,
        config: ModelConfig,
        classes: ClassTable,
        protocol: InferenceConfig | None = None,
        task: TaskName | None = None,
    ) -> "Segmenter":
        """Builds the model that a configuration describes.

        Raises:
            InputError: Something in it does not fit.
        """
        return cls(
            build_backbone(config),
            config.head,
            classes=classes,
            protocol=protocol,
            norm=config.norm,
            task=task,
        )

    def configure_loss(self, training: TrainingConfig, class_weights: Sequence[float] | None = None) -> None:
        """Gives the heads the loss that the settings of a run describe.

        Args:
            training: ``average_over``, ``focal_gamma`` and ``dice_weight`` count.
            class_weights: One weight per class, for heads that take them; None: all 1.
        """
        for head in self._trained_heads():
            head.configure_loss(
                training, class_weights if head.takes_class_weights else None, self.ignore_index
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their labels."""
        return self.classes.names

    @property
    def ignore_index(self) -> int:
        """Label of pixels that count neither in the loss nor in a metric."""
        return self.classes.ignore_index

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def _pyramid(self, images: Tensor) -> tuple[list[Tensor], tuple[int, int]]:
        """The pyramid of images padded at the right and at the bottom, and the padded size."""
        images = prepared_images(
            images, getattr(self.backbone, "in_chans", None), next(self.parameters(), None)
        )
        height, width = images.shape[-2:]
        padded = (height, width)
        # Asked by the remainder, which a traced program knows of sizes that are multiples; comparing sums fixes them.
        if height % COARSEST_STRIDE or width % COARSEST_STRIDE:
            padded = (
                (height + COARSEST_STRIDE - 1) // COARSEST_STRIDE * COARSEST_STRIDE,
                (width + COARSEST_STRIDE - 1) // COARSEST_STRIDE * COARSEST_STRIDE,
            )
            # Normalised value 0, the mean colour.
            images = F.pad(images, (0, padded[1] - width, 0, padded[0] - height))
        return checked_maps(self.backbone(images), self.backbone), padded

    def forward(self, images: Tensor) -> Tensor:
        """Scores every pixel.

        Args:
            images: [B, C, H, W] normalised floats of any size; padded to multiples of 32 and cropped back.

        Returns:
            [B, K, H, W]: logits of UperNet and FCN, class × mask sums of Mask2Former.
        """
        pyramid, padded = self._pyramid(images)
        height, width = images.shape[-2:]
        scores = self.head(pyramid)
        del pyramid  # before scores of the full size are made
        if scores.shape[1] >= CLASSES_LAST_FROM:
            scores = memory_layout(scores)
        return resize_maps(scores, padded)[..., :height, :width]

    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        divisor: float | None = None,
        objects: Sequence[Objects | InstanceTensors] | None = None,
        frames: Sequence[Place] | None = None,
    ) -> dict[str, Tensor]:
        """What training minimizes.

        Args:
            images: [B, C, H, W] normalised floats.
            labels: [B, H, W] whole class numbers 0..K-1, or ``ignore_index``; uint8, int32 or int64.
            divisor: What the loss divides its sums by instead of ``count(labels)``. Where gradients of several
                batches are accumulated, give the mean of ``count`` over them, and over the processes (S41).
            objects: Of each image, for tasks that learn from objects.
            frames: Of each image (height, width) without and with its own padding, where images of several sizes are
                padded to one; None: none is.

        Returns:
            "loss": the sum that is optimised; its parts ("loss_ce", "auxiliary.loss_ce" ...; of Mask2Former the
            published names); for pixel losses "accuracy" in percent (behaviour 37), which is not part of it.

        Raises:
            TypeError: Labels are no whole numbers.
            InputError: A label is outside the classes (checked on the CPU only, where it costs nothing), or
                sizes differ.
        """
        self._check_whole("trained")
        labels = checked_labels(labels)
        images = prepared_images(images, getattr(self.backbone, "in_chans", None), None)
        check_labels(labels, images, self.num_classes, self.ignore_index)
        pyramid, padded = self._pyramid(images)
        targets = self._targets(labels, objects, frames, padded)
        found = self.head.loss(pyramid, targets, divisor)
        if self.auxiliary_head is not None:
            for name, value in self.auxiliary_head.loss(pyramid, targets, divisor).items():
                found[f"auxiliary.{name}"] = self.auxiliary_weight * value if is_loss(name) else value
        parts = [value.sum() for name, value in found.items() if is_loss(name)]
        return {"loss": torch.stack(parts).sum(), **found}

    def count(
        self,
        labels: Tensor,
        objects: Sequence[Objects | InstanceTensors] | None = None,
        frames: Sequence[Place] | None = None,
    ) -> float | None:
        """What the loss of a batch is a mean over; None where it only depends on the size; arguments as of ``loss``."""
        area = labels.shape[-2], labels.shape[-1]
        return self.head.count(self._targets(labels, objects, frames, area))

    def _targets(
        self,
        labels: Tensor,
        objects: Sequence[Objects | InstanceTensors] | None,
        frames: Sequence[Place] | None,
        area: tuple[int, int],
    ) -> Targets:
        targets = self.task.targets(TrainingTruth.of(labels, objects), self.classes, area)
        return targets if frames is None else replace(targets, frames=[Frame(*one) for one in frames])

    def stand_in_loss(self, images: Tensor) -> Tensor:
        """What ``loss`` holds in memory, without looking at any value, see ``Head.stand_in_loss``."""
        pyramid, area = self._pyramid(images)
        heads = self._trained_heads()
        return torch.stack([head.stand_in_loss(pyramid, area, self.ignore_index) for head in heads]).sum()

    def optimize(self, mode: OptimizeMode = "eager", dtype: Precision | None = None) -> "Segmenter":
        """Makes the model faster at inference, for good: afterwards it can neither be trained nor saved.

        Batch norms are folded into their convolutions (scores change by rounding only) and weights take the memory
        order that convolutions read.

        Args:
            mode: "eager"; or "compile": the backbone goes through ``torch.compile`` at its first call (minutes on a
                CPU), with CUDA graphs on a GPU.
            dtype: Type of the weights; "bfloat16" halves their memory and is faster on GPUs and on CPUs with
                AVX512-BF16 or AMX, and several times slower on others. None: as they are.

        Returns:
            The model itself.

        Raises:
            InputError: There is no compiler, or the type is unknown or not for this device.
        """
        self.optimizations = (*self.optimizations, *optimize(self, mode, dtype))
        return self

    def _check_whole(self, wish: str) -> None:
        if self.optimizations:
            raise InputError(
                f"an optimized model cannot be {wish}: {', '.join(self.optimizations)}; load it again"
            )

    def _trained_heads(self) -> list[Head]:
        return [self.head] if self.auxiliary_head is None else [self.head, self.auxiliary_head]
