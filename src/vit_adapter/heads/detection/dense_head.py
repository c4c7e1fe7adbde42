"""What ATSS and GFL share: two towers of convolutions on every level, and how predictions become results."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vit_adapter.config.box_rule import level_sizes
from vit_adapter.heads.precision import at_least_float32

from ..frame import Frame
from ..head import Detections, Objects
from ..processes import mean_over_processes
from .anchors import grid_anchors, valid_cells
from .dense_targets import image_targets, join_targets
from .dense_types import DensePredictions, DenseSettings, DenseTargets, Selection
from .suppression import suppress_by_class

STRIDES = (8, 16, 32, 64, 128)
ANCHOR_SCALE = 8.0
"""Side of an anchor in strides, as published."""
OBJECT_PRIOR = 0.01
"""Probability of an object that the class scores start from."""

Average = Callable[[Tensor], Tensor]


class ConvGroupNormReLU(nn.Module):
    """3×3 convolution without bias, group norm, ReLU.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        groups: Groups of the norm.
    """

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(groups, outputs)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        return self.activation(self.norm(self.conv(maps)))


class LevelScale(nn.Module):
    """A learned factor, the same everywhere on a level."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, maps: Tensor) -> Tensor:
        """The maps times the factor, at least in float32: box sizes do not fit half precision."""
        return at_least_float32(maps * self.scale)


class DenseHead(nn.Module, ABC):
    """Towers for classes and boxes, shared by all levels, and all that does not depend on how boxes are coded.

    Behaviour 156.

    Args:
        in_channels: Width of the pyramid's maps.
        num_classes: Number of classes K; no column for background.
        channels: Width of the towers.
        convolutions: Length of each tower.
        groups: Groups of the towers' norms.
        strides: Pixels of a cell, level by level.
        anchor_scale: Side of an anchor in strides.
        settings: How it is trained.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        convolutions: int = 4,
        *,
        groups: int = 32,
        strides: Sequence[int] = STRIDES,
        anchor_scale: float = ANCHOR_SCALE,
        settings: DenseSettings | None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.strides, self.anchor_scale = num_classes, tuple(strides), anchor_scale
        self.settings = settings or DenseSettings()
        widths = [in_channels] + [channels] * convolutions
        self.class_tower = self._tower(widths, groups)
        self.box_tower = self._tower(widths, groups)
        self.scales = nn.ModuleList(LevelScale() for _ in self.strides)

    @staticmethod
    def _tower(widths: Sequence[int], groups: int) -> nn.Sequential:
        return nn.Sequential(*(ConvGroupNormReLU(*pair, groups) for pair in pairwise(widths)))

    def reset_parameters(self, classifier: nn.Conv2d) -> None:
        """Normal weights of 0.01, and class scores that start from a rare object (behaviour 163)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.constant_(classifier.bias, -math.log((1 - OBJECT_PRIOR) / OBJECT_PRIOR))  # pyright: ignore

    def forward(self, pyramid: Sequence[Tensor]) -> DensePredictions:
        """Maps [B, C, h, w], one for each stride, to predictions."""
        classes, boxes, centerness = [], [], []
        for maps, scale in zip(pyramid, self.scales, strict=True):
            scores, outputs, central = self.predict(self.class_tower(maps), self.box_tower(maps))
            classes.append(scores)
            boxes.append(scale(outputs))
            centerness.append(central)
        return DensePredictions(classes, boxes, None if centerness[0] is None else centerness)

    @abstractmethod
    def predict(self, class_features: Tensor, box_features: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the features of the two towers become: class logits, box outputs, centerness logits if any."""

    @abstractmethod
    def losses(
        self,
        predictions: DensePredictions,
        targets: DenseTargets,
        average: Average = mean_over_processes,
        divisor: float | None = None,
    ) -> dict[str, Tensor]:
        """What training minimizes.

        Args:
            predictions: Of a batch.
            targets: Of the same batch.
            average: Mean over the processes of a run, of what sums are divided by.
            divisor: What the class losses are divided by, instead of the mean of ``targets.positives``.

        Returns:
            By name, one number for each level; the sum of all is minimized.
        """

    @abstractmethod
    def decode(self, level: int, outputs: Tensor, anchors: Tensor, size: tuple[int, int]) -> Tensor:
        """Boxes of a level, clipped to the image.

        Args:
            level: Index of the level.
            outputs: [N, R] box outputs.
            anchors: [N, 4] their anchors.
            size: (height, width) of the image.

        Returns:
            [N, 4] xyxy in pixels.
        """

    def anchors(self, sizes: Sequence[tuple[int, int]], like: Tensor) -> list[Tensor]:
        """One square for each cell, row by row: [h w, 4] xyxy in pixels for each level.

        Args:
            sizes: (rows, columns) of each level.
            like: Device and type.
        """
        return [
            grid_anchors(size, stride, self.anchor_scale).to(like)
            for size, stride in zip(sizes, self.strides, strict=True)
        ]

    def targets(
        self,
        predictions: DensePredictions,
        truths: Sequence[Objects],
        frames: Sequence[Frame],
        ignored: Sequence[Tensor] | None = None,
    ) -> DenseTargets:
        """What the anchors of a batch learn.

        Args:
            predictions: Their sizes and type count.
            truths: Of each image.
            frames: Of each image.
            ignored: [M, 4] regions of each image that are neither object nor background; without effect unless
                the assigner has an ``ignore_overlap``.
        """
        sizes = [(maps.shape[2], maps.shape[3]) for maps in predictions.classes]
        return self.targets_of(sizes, predictions.boxes[0], truths, frames, ignored)

    def targets_of(
        self,
        sizes: Sequence[tuple[int, int]],
        like: Tensor,
        truths: Sequence[Objects],
        frames: Sequence[Frame],
        ignored: Sequence[Tensor] | None = None,
    ) -> DenseTargets:
        """The same, from the sizes (rows, columns) of the levels and a tensor of their device and type."""
        anchors = self.anchors(sizes, like)
        images = [
            image_targets(
                anchors,
                [
                    valid_cells(size, stride, frame.padded)
                    for size, stride in zip(sizes, self.strides, strict=True)
                ],
                truth,
                self.num_classes,
                self.settings,
                None if ignored is None else ignored[index],
            )
            for index, (truth, frame) in enumerate(zip(truths, frames, strict=True))
        ]
        return join_targets(images, anchors, self.strides)

    def level_sizes(self, area: tuple[int, int]) -> list[tuple[int, int]]:
        """(rows, columns) of each level, see ``box_rule.level_sizes``."""
        return level_sizes(area, self.strides)

    def divisor(self, targets: DenseTargets, average: Average, given: float | None = None) -> Tensor:
        """What class losses are divided by: anchors with an object, at least 1 an image, the mean over processes.

        Behaviour 158.
        """
        anchors = targets.levels[0].anchors
        own = anchors.new_tensor(float(targets.positives) if given is None else given)
        return (average(own) if given is None else own).clamp(min=1.0)

    @torch.no_grad()
    def detect(
        self,
        predictions: DensePredictions,
        frames: Sequence[Frame],
        factors: Sequence[Tensor] | None = None,
        selection: Selection | None = None,
    ) -> list[Detections]:
        """The objects of each image, best first (behaviour 159).

        Args:
            predictions: Of a batch.
            frames: Of each image.
            factors: [4] of each image, by which boxes are divided before any is suppressed: how much the image was
                enlarged in width, height, width, height. None: boxes stay in pixels of the batch.
            selection: Which predictions become results.
        """
        selection = selection or Selection()
        sizes = [(maps.shape[2], maps.shape[3]) for maps in predictions.classes]
        anchors = self.anchors(sizes, predictions.boxes[0])
        found = []
        for index, frame in enumerate(frames):
            parts = [
                self._candidates(predictions, index, level, anchors[level], frame, selection)
                for level in range(len(anchors))
            ]
            boxes, scores, classes = (torch.cat(values) for values in zip(*parts, strict=True))
            if factors is not None:
                boxes = boxes / factors[index].to(boxes)
            if selection.suppression is None:
                found.append(Detections(boxes, classes, scores))
                continue
            kept, kept_scores = suppress_by_class(boxes, scores, classes, selection.suppression)
            kept, kept_scores = kept[: selection.count], kept_scores[: selection.count]
            found.append(Detections(boxes[kept], classes[kept], kept_scores))
        return found

    def _candidates(
        self,
        predictions: DensePredictions,
        index: int,
        level: int,
        anchors: Tensor,
        frame: Frame,
        selection: Selection,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, final scores and classes of one level of one image."""
        scores = at_least_float32(_rows(predictions.classes[level][index])).sigmoid()  # [A, K]
        pairs = (scores > selection.least_score).nonzero()
        chosen, order = scores[pairs[:, 0], pairs[:, 1]].sort(descending=True)
        chosen, order = chosen[: selection.per_level], order[: selection.per_level]
        cells, classes = pairs[order].unbind(1)
        outputs = _rows(predictions.boxes[level][index])[cells]
        boxes = self.decode(level, outputs, anchors[cells], frame.size)
        if predictions.centerness is not None:
            # Only now: neither the threshold nor the choice has seen it.
            central = _rows(predictions.centerness[level][index])[cells, 0]
            chosen = chosen * at_least_float32(central).sigmoid()
        return boxes, chosen, classes


def rows_of(maps: Tensor) -> Tensor:
    """[B, C, h, w] -> [B h w, C], image by image and row by row, at least float32."""
    return at_least_float32(maps).permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _rows(maps: Tensor) -> Tensor:
    """[C, h, w] -> [h w, C]."""
    return maps.permute(1, 2, 0).reshape(-1, maps.shape[0])
