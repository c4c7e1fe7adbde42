"""Where objects may be: the region proposal network (Ren et al., NeurIPS 2015, section 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.heads.precision import at_least_float32

from ..frame import Frame, Size
from .anchors import grid_anchors, valid_cells
from .box_coding import BoxCoding
from .box_losses import smooth_l1_loss
from .box_sampler import BoxSampler, Permutation
from .conv_block import ConvBlock
from .overlap_assigner import OverlapAssigner
from .suppression import Suppression, suppress_by_class

CODING = BoxCoding()


@dataclass(frozen=True)
class Anchors:
    """The boxes that proposals start from.

    Attributes:
        strides: Pixels of a cell, level by level.
        scale: Square root of an anchor's area in strides.
        ratios: Height over width of the anchors of a cell.
    """

    strides: tuple[int, ...] = (4, 8, 16, 32, 64)
    scale: float = 8
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class ProposalTraining:
    """How proposals are learned.

    Attributes:
        assigner: Which anchors learn which object.
        sampler: Which of them take part.
        border: Anchors further outside of their image than this many pixels take no part; None: all do.
        box_beta: Of the smooth L1 loss of their offsets; 0: plain L1.
    """

    assigner: OverlapAssigner = field(default_factory=lambda: OverlapAssigner(0.7, 0.3, 0.3))
    sampler: BoxSampler = field(default_factory=lambda: BoxSampler(256, 0.5))
    border: int | None = None
    box_beta: float = 0.0


@dataclass(frozen=True)
class ProposalLimits:
    """Which anchors become proposals.

    Attributes:
        per_level: Most anchors of a level, the best ones.
        count: Most proposals of an image.
        suppression: Which of overlapping ones stays, level by level.
        least_side: Proposals with a side up to this many pixels go; None: none do.
    """

    per_level: int = 1000
    count: int = 1000
    suppression: Suppression = field(default_factory=lambda: Suppression(0.7))
    least_side: float | None = 0.0


@dataclass(frozen=True)
class ProposalPredictions:
    """What is said of every anchor, fine level to coarse.

    Attributes:
        scores: Logits [B, R, h, w]: is there an object?
        offsets: [B, 4 R, h, w], four for each anchor.
    """

    scores: list[Tensor]
    offsets: list[Tensor]

    @property
    def sizes(self) -> list[Size]:
        """(rows, columns) of the levels."""
        return [(maps.shape[2], maps.shape[3]) for maps in self.scores]


@dataclass(frozen=True)
class ProposalTargets:
    """What the A anchors of all levels of a batch learn.

    Attributes:
        objects: bool [B, A].
        weights: [B, A]: 1 for those that take part.
        offsets: float32 [B, A, 4], zeros for background.
        count: Sum over the images of the positives (at least 1) and the negatives (at least 1).
    """

    objects: Tensor
    weights: Tensor
    offsets: Tensor
    count: int


class ProposalHead(nn.Module):
    """Scores and box offsets for the anchors of every cell, with the same weights on all levels.

    Args:
        in_channels: Width of the levels.
        channels: Width inside.
        convolutions: Number of 3×3 convolutions.
        anchors: What offsets start from.
    """

    def __init__(
        self, in_channels: int, channels: int = 256, convolutions: int = 1, anchors: Anchors | None = None
    ) -> None:
        super().__init__()
        self.anchors = anchors or Anchors()
        count = len(self.anchors.ratios)
        widths = [in_channels] + [channels] * (convolutions - 1)
        self.convs: nn.Module = nn.Sequential(*(ConvBlock(width, channels, 3) for width in widths))
        if convolutions == 1:
            # Named in published files as the convolution itself.
            self.convs = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, count, 1)
        self.offsets = nn.Conv2d(channels, 4 * count, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)  # pyright: ignore

    def forward(self, levels: Sequence[Tensor]) -> ProposalPredictions:
        """Levels [B, C, h, w], fine to coarse."""
        features = [F.relu(self.convs(maps)) for maps in levels]
        scores = [at_least_float32(self.objectness(maps)) for maps in features]
        return ProposalPredictions(scores, [at_least_float32(self.offsets(maps)) for maps in features])

    def level_anchors(self, sizes: Sequence[Size], device: torch.device) -> list[Tensor]:
        """float32 [h w R, 4] xyxy in pixels for each level, whatever the precision of the model."""
        shape = self.anchors.scale, self.anchors.ratios
        return [
            grid_anchors(size, stride, *shape).to(device)
            for size, stride in zip(sizes, self.anchors.strides, strict=True)
        ]

    @torch.no_grad()
    def targets(
        self,
        sizes: Sequence[Size],
        truths: Sequence[Tensor],
        frames: Sequence[Frame],
        training: ProposalTraining,
        permutation: Permutation = torch.randperm,
        ignored: Sequence[Tensor] | None = None,
    ) -> ProposalTargets:
        """What the anchors of a batch learn.

        Args:
            sizes: (rows, columns) of the levels.
            truths: [N, 4] boxes of each image, xyxy in pixels.
            frames: Of each image.
            training: How.
            permutation: Where the order of the sampling comes from.
            ignored: [M, 4] regions of each image; without effect unless the assigner says so.
        """
        anchors = torch.cat(self.level_anchors(sizes, truths[0].device))
        count = len(self.anchors.ratios)
        rows: list[tuple[Tensor, Tensor, Tensor]] = []
        total = 0
        for index, (truth, frame) in enumerate(zip(truths, frames, strict=True)):
            valid = [
                valid_cells(size, stride, frame.padded, count)
                for size, stride in zip(sizes, self.anchors.strides, strict=True)
            ]
            used = torch.cat(valid).to(anchors.device) & inside_image(anchors, frame.size, training.border)
            places = used.nonzero()[:, 0]
            boxes = anchors[places]
            found = training.assigner(boxes, truth, None, None if ignored is None else ignored[index])
            samples = training.sampler(found, boxes, truth, None, permutation)
            objects = torch.zeros_like(used)
            weights, offsets = anchors.new_zeros(len(anchors)), torch.zeros_like(anchors)
            chosen = places[samples.indices]
            positives = chosen[: samples.positives]
            objects[positives], weights[chosen] = True, 1.0
            offsets[positives] = CODING.encode(samples.positive_boxes.float(), samples.truth.float())
            total += max(len(positives), 1) + max(len(chosen) - len(positives), 1)
            rows.append((objects, weights, offsets))
        objects, weights, offsets = (torch.stack(column) for column in zip(*rows, strict=True))
        return ProposalTargets(objects, weights, offsets, total)

    def losses(
        self, predictions: ProposalPredictions, targets: ProposalTargets, box_beta: float = 0.0
    ) -> dict[str, Tensor]:
        """One number for each level, by its published name: ``loss_rpn_cls.0`` ..., ``loss_rpn_bbox.0`` ...

        Behaviour 144.

        Both are divided by the same number, that of the anchors that take part, in this process alone.
        """
        counts = [rows * columns * len(self.anchors.ratios) for rows, columns in predictions.sizes]
        parts = (targets.objects.split(counts, 1), targets.weights.split(counts, 1))
        losses: dict[str, Tensor] = {}
        offsets_by_level = targets.offsets.split(counts, 1)
        for level, (objects, weights) in enumerate(zip(*parts, strict=True)):
            scores = predictions.scores[level].permute(0, 2, 3, 1).reshape(-1)
            loss = objectness_loss(scores, objects.reshape(-1), weights.reshape(-1).to(scores))
            losses[f"loss_rpn_cls.{level}"] = loss / targets.count
        for level, (objects, wanted) in enumerate(zip(parts[0], offsets_by_level, strict=True)):
            offsets = predictions.offsets[level].permute(0, 2, 3, 1).reshape(-1, 4)
            weights = objects.reshape(-1, 1).to(offsets)
            loss = smooth_l1_loss(offsets, wanted.reshape(-1, 4).to(offsets), box_beta, weights).sum()
            losses[f"loss_rpn_bbox.{level}"] = loss / targets.count
        return losses

    @torch.no_grad()
    def propose(
        self, predictions: ProposalPredictions, frames: Sequence[Frame], limits: ProposalLimits
    ) -> list[tuple[Tensor, Tensor]]:
        """Proposals of each image: boxes [N, 4] xyxy in pixels, clipped to the image, and scores [N], best first.

        Behaviour 145.
        """
        anchors = self.level_anchors(predictions.sizes, predictions.scores[0].device)
        return [
            self._propose_in(index, predictions, anchors, frame, limits) for index, frame in enumerate(frames)
        ]

    def _propose_in(
        self,
        index: int,
        predictions: ProposalPredictions,
        anchors: list[Tensor],
        frame: Frame,
        limits: ProposalLimits,
    ) -> tuple[Tensor, Tensor]:
        boxes, scores, levels = [], [], []
        for level, (maps, offsets) in enumerate(zip(predictions.scores, predictions.offsets, strict=True)):
            level_scores = maps[index].permute(1, 2, 0).reshape(-1).sigmoid()
            places = torch.arange(len(level_scores), device=maps.device)
            if len(level_scores) > limits.per_level:
                level_scores, places = level_scores.sort(descending=True)
                level_scores, places = level_scores[: limits.per_level], places[: limits.per_level]
            level_offsets = offsets[index].permute(1, 2, 0).reshape(-1, 4)[places]
            starts = anchors[level][places].to(level_offsets)
            boxes.append(CODING.decode(starts, level_offsets, frame.size))
            scores.append(level_scores)
            levels.append(torch.full_like(places, level))
        all_boxes, all_scores, all_levels = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
        if limits.least_side is not None:
            sides = all_boxes[:, 2:] - all_boxes[:, :2]
            kept = (sides > limits.least_side).all(1)
            all_boxes, all_scores, all_levels = all_boxes[kept], all_scores[kept], all_levels[kept]
        kept, kept_scores = suppress_by_class(
            all_boxes, all_scores, all_levels, limits.suppression, limits.count
        )
        return all_boxes[kept], kept_scores


def inside_image(boxes: Tensor, size: Size, border: int | None) -> Tensor:
    """Which boxes leave their image by at most ``border`` pixels: [N, 4] xyxy -> bool [N].

    At the right and the bottom they have to end before the border. None: all of them.
    """
    if border is None:
        return torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(1)
    return (x1 >= -border) & (y1 >= -border) & (x2 < width + border) & (y2 < height + border)


def objectness_loss(scores: Tensor, objects: Tensor, weights: Tensor) -> Tensor:
    """Sum of the weighted binary cross entropies: logits [N], bool [N], weights [N] -> scalar."""
    return F.binary_cross_entropy_with_logits(scores, objects.to(scores), weights.to(scores), reduction="sum")
