"""What a region shows and where exactly it is (Girshick, ICCV 2015, section 2; Cai et al., CVPR 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.heads.precision import at_least_float32

from ..frame import Frame, Size
from .box_coding import BoxCoding
from .box_losses import giou_loss, smooth_l1_loss
from .box_sampler import Samples
from .conv_block import NO_NORM, BlockNorm, ConvBlock


@dataclass(frozen=True)
class BoxLoss:
    """How far boxes are from the wanted ones.

    Attributes:
        kind: "smooth_l1" of the offsets, or "giou" of the boxes that they lead to, which are not clipped.
        beta: Of "smooth_l1"; 0: plain L1.
        weight: Factor.
    """

    kind: Literal["smooth_l1", "giou"] = "smooth_l1"
    beta: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class RegionTargets:
    """What the sampled regions of a batch learn, image by image, positives before negatives.

    Attributes:
        regions: [N, 4] xyxy in pixels of their images.
        classes: int64 [N]; K is background.
        boxes: [N, 4] what positives aim at: boxes in pixels, or float32 offsets; zeros for background.
    """

    regions: Tensor
    classes: Tensor
    boxes: Tensor


class BoxHead(nn.Module):
    """Convolutions, fully connected layers, class scores and box offsets (behaviour 163).

    Args:
        in_channels: Width of the region features.
        num_classes: Number of classes K; one more column is background, the last.
        convolutions: Number of 3×3 convolutions.
        layers: Number of fully connected layers.
        channels: Width of the convolutions.
        width: Width of the layers.
        side: Side of the region features.
        class_agnostic: One box for all classes instead of one for each.
        norm: Of the convolutions.
        coding: How offsets tell a box.
        loss: Of the boxes.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        convolutions: int = 0,
        layers: int = 2,
        *,
        channels: int = 256,
        width: int = 1024,
        side: int = 7,
        class_agnostic: bool = False,
        norm: BlockNorm = NO_NORM,
        coding: BoxCoding | None = None,
        loss: BoxLoss | None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.class_agnostic = num_classes, class_agnostic
        self.coding, self.box_loss = coding or BoxCoding((0.1, 0.1, 0.2, 0.2)), loss or BoxLoss()
        widths = [in_channels] + [channels] * convolutions
        self.convs = nn.Sequential(*(ConvBlock(before, channels, 3, norm) for before in widths[:-1]))
        sizes = [widths[-1] * side * side] + [width] * layers
        self.layers = nn.ModuleList(nn.Linear(before, width) for before in sizes[:-1])
        self.classifier = nn.Linear(sizes[-1], num_classes + 1)
        self.box_output = nn.Linear(sizes[-1], 4 if class_agnostic else 4 * num_classes)
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)  # pyright: ignore
            nn.init.zeros_(layer.bias)  # pyright: ignore
        for layer, deviation in ((self.classifier, 0.01), (self.box_output, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Region features [N, C, s, s] to class logits [N, K + 1] and box offsets [N, 4] or [N, 4 K]."""
        features = self.convs(regions).flatten(1)
        for layer in self.layers:
            features = F.relu(layer(features))
        return at_least_float32(self.classifier(features)), at_least_float32(self.box_output(features))

    @torch.no_grad()
    def targets(self, samples: Sequence[Samples]) -> RegionTargets:
        """What the sampled regions of each image learn."""
        classes, boxes = [], []
        for image in samples:
            background = image.classes.new_full((len(image.boxes),), self.num_classes)
            background[: image.positives] = image.classes
            classes.append(background)
            wanted = image.boxes.new_zeros(len(image.boxes), 4)
            if self.box_loss.kind == "giou":
                wanted[: image.positives] = image.truth.to(wanted)
            else:
                # In float32, as published, whatever the precision of the rest.
                offsets = self.coding.encode(image.positive_boxes.float(), image.truth.float())
                wanted[: image.positives] = offsets.to(wanted)
            boxes.append(wanted)
        return RegionTargets(
            torch.cat([image.boxes for image in samples]), torch.cat(classes), torch.cat(boxes)
        )

    def losses(self, logits: Tensor, offsets: Tensor, targets: RegionTargets) -> dict[str, Tensor]:
        """``loss_cls`` and ``loss_bbox``, both divided by the number of all regions, and ``acc`` in percent.

        Behaviour 150.
        """
        count = max(len(targets.classes), 1)
        losses = {"loss_cls": F.cross_entropy(logits, targets.classes, reduction="sum") / count}
        hits = logits.detach().argmax(1) == targets.classes
        losses["acc"] = hits.float().sum() * (100.0 / count)
        positive = targets.classes < self.num_classes
        own = self.of_classes(offsets[positive], targets.classes[positive])
        wanted = targets.boxes[positive].to(own)
        if not len(own):
            loss = offsets.sum() * 0
        elif self.box_loss.kind == "giou":
            loss = giou_loss(self.coding.decode(targets.regions[positive].to(own), own), wanted).sum()
        else:
            loss = smooth_l1_loss(own, wanted, self.box_loss.beta).sum()
        losses["loss_bbox"] = self.box_loss.weight * loss / count
        return losses

    def of_classes(self, offsets: Tensor, classes: Tensor) -> Tensor:
        """Of the offsets [N, 4 K] those of one class each, int64 [N]; class-agnostic ones [N, 4] stay: [N, 4]."""
        if self.class_agnostic:
            return offsets
        by_class = offsets.unflatten(1, (self.num_classes, 4))
        return by_class[torch.arange(len(offsets), device=offsets.device), classes]

    @torch.no_grad()
    def refined(self, regions: Tensor, classes: Tensor, offsets: Tensor, size: Size) -> Tensor:
        """Regions of one image moved to where their offsets lead.

        Args:
            regions: [N, 4] xyxy in pixels.
            classes: int64 [N], below K.
            offsets: [N, 4] or [N, 4 K].
            size: (height, width) of the image, to which boxes are clipped.
        """
        own = self.of_classes(offsets, classes)
        return self.coding.decode(regions.to(own), own, size)

    @torch.no_grad()
    def refined_samples(
        self,
        samples: Sequence[Samples],
        logits: Tensor,
        offsets: Tensor,
        frames: Sequence[Frame],
    ) -> list[Tensor]:
        """What the next stage of a cascade starts from, for each image.

        All sampled regions are moved, by the offsets of their object's class; background by those of the best
        foreground class. Annotated boxes are left out: they come back when the next stage samples.
        """
        targets = self.targets(samples).classes
        best = logits[:, :-1].argmax(1)
        classes = torch.where(targets == self.num_classes, best, targets)
        counts = [len(image.boxes) for image in samples]
        parts = zip(samples, frames, classes.split(counts), offsets.split(counts), strict=True)
        refined = []
        for image, frame, own_classes, own_offsets in parts:
            boxes = self.refined(image.boxes, own_classes, own_offsets, frame.size)
            kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
            kept[: image.positives] = ~image.is_truth
            refined.append(boxes[kept])
        return refined

    def decoded(self, regions: Tensor, offsets: Tensor, size: Size) -> Tensor:
        """Boxes of all classes, clipped to the image: [N, 4] and [N, 4 (K)] -> [N, 4 (K)]."""
        return self.coding.decode(regions.to(offsets), offsets, size)
