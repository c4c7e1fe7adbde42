"""Backbone and head as one model: scores, loss, prediction."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.backbones import build_backbone
from vit_adapter.config import (
    ClassTable,
    InputError,
    Mask2FormerConfig,
    ModelConfig,
    Protocol,
)
from vit_adapter.heads import (
    FCNHead,
    Mask2FormerHead,
    PixelLoss,
    UPerHead,
    checked_labels,
    pixel_accuracy,
    resize_maps,
)
from vit_adapter.weights.report import LoadReport

from .folder import ModelFolder
from .parts import check_label_range, check_single_class, class_table, describe, normalization_of
from .prediction import Prediction

HeadName = Literal["upernet", "fcn", "mask2former"]
STEP = 32
"""Sides are padded to multiples of the coarsest stride."""


class Segmenter(ModelFolder, Prediction):
    """A feature pyramid and a head on it, with its classes and the way it is applied to a picture.

    Args:
        backbone: Gives a list of maps, fine to coarse; ``channels`` and ``strides`` describe them.
        head: "upernet", "fcn", "mask2former", or a module from the list of maps to scores at stride 4.
        num_classes: Number of classes; with ``classes`` or ``class_names`` their number.
        class_names: Their names; None: "class 0" ...
        classes: Names, mask values and colours together, instead of ``class_names``.
        protocol: How it is applied to a picture; None: windows of 512 pixels, native resolution, the backbone's
            own normalisation.
        head_channels: Width of the UperNet or FCN head.
        pool_scales: Grid sides of UperNet's pyramid pooling.
        dropout: Channel dropout before the class scores, 0..1.
        auxiliary: An FCN head on the stride-16 map beside UperNet, for training.
        auxiliary_channels: Its width.
        auxiliary_weight: Weight of its loss.
        norm: "batch" or "group", in the heads.
        mask2former: Sizes of the Mask2Former head.

    Attributes:
        load_report: What became of every entry of the file its weights came from; None without one.
        pixel_loss: What ``loss`` computes for UperNet and FCN; replace it for class weights, Dice or focal loss.

    Raises:
        InputError: The arguments contradict each other.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: HeadName | nn.Module = "upernet",
        num_classes: int | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        protocol: Protocol | None = None,
        head_channels: int = 512,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        auxiliary: bool = True,
        auxiliary_channels: int = 256,
        auxiliary_weight: float = 0.4,
        norm: Literal["batch", "group"] = "batch",
        mask2former: Mask2FormerConfig | None = None,
    ) -> None:
        super().__init__()
        self.classes = class_table(num_classes, class_names, classes)
        self.num_classes = len(self.classes)
        self.backbone = backbone
        self.protocol = protocol or Protocol(normalization=normalization_of(backbone))
        self.pixel_loss = PixelLoss(ignore_index=self.classes.ignore_index)
        self.auxiliary_head, self.auxiliary_weight = None, auxiliary_weight
        channels: Sequence[int] = backbone.channels  # pyright: ignore
        settings: dict[str, Any] | None = None
        if isinstance(head, nn.Module):
            self.head = head
        elif head == "upernet":
            self.head = UPerHead(channels, head_channels, self.num_classes, pool_scales, dropout, norm)
            if auxiliary:
                self.auxiliary_head = FCNHead(
                    channels[2], auxiliary_channels, self.num_classes, dropout=dropout, norm=norm
                )
        elif head == "fcn":
            self.head = FCNHead(
                channels[0], head_channels, self.num_classes, level=0, dropout=dropout, norm=norm
            )
        elif head == "mask2former":
            self.head = Mask2FormerHead(channels, self.num_classes, mask2former)
        else:
            raise InputError(f"head={head!r}, expected 'upernet', 'fcn', 'mask2former' or a module")
        if isinstance(head, str):
            settings = {
                "head": head,
                "head_channels": head_channels,
                "pool_scales": tuple(pool_scales),
                "dropout": dropout,
                "auxiliary": auxiliary,
                "auxiliary_channels": auxiliary_channels,
                "auxiliary_weight": auxiliary_weight,
                "norm": norm,
                "mask2former": mask2former or Mask2FormerConfig(),
            }
        check_single_class(self.classes, getattr(self.head, "scores_are", "logits"))
        self.model_config = describe(backbone, settings)
        self.load_report: LoadReport | None = getattr(backbone, "load_report", None)

    @classmethod
    def from_config(
        cls, config: ModelConfig, classes: ClassTable, protocol: Protocol | None = None
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
            head_channels=config.head_channels,
            pool_scales=config.pool_scales,
            dropout=config.dropout,
            auxiliary=config.auxiliary,
            auxiliary_channels=config.auxiliary_channels,
            auxiliary_weight=config.auxiliary_weight,
            norm=config.norm,
            mask2former=config.mask2former,
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
        """The pyramid of pictures padded at the right and at the bottom, and the padded size."""
        height, width = images.shape[-2:]
        padded = math.ceil(height / STEP) * STEP, math.ceil(width / STEP) * STEP
        if padded != (height, width):
            # Normalised value 0, the mean colour.
            images = F.pad(images, (0, padded[1] - width, 0, padded[0] - height))
        return self.backbone(images), padded

    def forward(self, images: Tensor) -> Tensor:
        """Scores every pixel.

        Args:
            images: [B, C, H, W] normalised floats of any size; padded to multiples of 32 and cropped back.

        Returns:
            [B, K, H, W]: logits of UperNet and FCN, class × mask sums of Mask2Former.
        """
        height, width = images.shape[-2:]
        pyramid, padded = self._pyramid(images)
        return resize_maps(self.head(pyramid), padded)[..., :height, :width]

    def loss(self, images: Tensor, labels: Tensor, num_masks: float | None = None) -> dict[str, Tensor]:
        """What training minimises.

        Args:
            images: [B, C, H, W] normalised floats.
            labels: [B, H, W] whole class numbers 0..K-1, or ``ignore_index``; uint8, int32 or int64.
            num_masks: Of Mask2Former: what mask and Dice loss are divided by; None: the masks of this batch,
                averaged over the processes. Where gradients of several batches are accumulated, give the mean
                of ``count_masks`` over them (S41).

        Returns:
            "loss": the sum that is optimised; its parts ("loss_ce", "auxiliary.loss_ce" ...; of Mask2Former the
            published names); for pixel losses "accuracy" in percent (rule 58), which is no part.

        Raises:
            TypeError: Labels are no whole numbers.
            InputError: A label is outside the classes (checked on the CPU only, where it costs nothing), or
                sizes differ.
        """
        labels = checked_labels(labels)
        if labels.shape != (images.shape[0], *images.shape[-2:]):
            raise InputError(
                f"labels are {tuple(labels.shape)}, expected {(len(images), *images.shape[-2:])}"
            )
        if labels.device.type == "cpu":
            check_label_range(labels, self.num_classes, self.ignore_index)
        pyramid, padded = self._pyramid(images)
        if isinstance(self.head, Mask2FormerHead):
            height, width = padded[0] - labels.shape[1], padded[1] - labels.shape[2]
            labels = F.pad(labels, (0, width, 0, height), value=self.ignore_index)
            losses = self.head.loss(pyramid, labels, self.ignore_index, num_masks)
            return {"loss": torch.stack([value.sum() for value in losses.values()]).sum(), **losses}
        return self._pixel_losses(pyramid, padded, labels)

    def count_masks(self, labels: Tensor) -> int:
        """Number of masks in [B, H, W] labels that Mask2Former's queries are matched with; 0 for other heads."""
        if not isinstance(self.head, Mask2FormerHead):
            return 0
        return self.head.count_masks(labels, self.ignore_index)

    def _pixel_losses(
        self, pyramid: list[Tensor], padded: tuple[int, int], labels: Tensor
    ) -> dict[str, Tensor]:
        height, width = labels.shape[-2:]

        def full_scores(head: nn.Module) -> Tensor:
            # In plain order while small: the losses would copy the scores of the full size into it.
            return resize_maps(head(pyramid).contiguous(), padded)[..., :height, :width]

        scores = full_scores(self.head)
        losses = dict(self.pixel_loss(scores, labels))
        accuracies = {"accuracy": pixel_accuracy(scores, labels)}
        if self.auxiliary_head is not None:
            helper = full_scores(self.auxiliary_head)
            for name, value in self.pixel_loss(helper, labels).items():
                losses[f"auxiliary.{name}"] = self.auxiliary_weight * value
            accuracies["auxiliary.accuracy"] = pixel_accuracy(helper, labels)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses, **accuracies}
