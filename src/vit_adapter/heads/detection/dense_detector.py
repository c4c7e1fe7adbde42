"""ATSS and GFL as heads on a backbone's pyramid: neck and dense head."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vit_adapter.config import TaskName, TrainingConfig
from vit_adapter.config.box_rule import BoxRule

from ..frame import Frame
from ..head import Candidates, Detections, Head, LossNotFinite, Targets
from ..processes import mean_over_processes
from ..views import JoiningRule, View
from .augmented import boxes_from_view, of_sizes
from .dense_head import DenseHead, rows_of
from .dense_types import Selection
from .suppression import suppress_by_class
from .truth import covered, truths_of


class DenseDetector(Head):
    """A neck and a dense head.

    Args:
        neck: From the backbone's maps to the levels.
        dense: Classes and boxes on every level.
        selection: Which predictions become detections.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("detection",)
    min_classes = 1
    takes_class_weights = False
    joins_views = True
    reaches_all_parameters = False  # the finest map of the backbone is not used
    classifiers = ("dense.classifier", "dense.quality_classifier")

    def __init__(self, neck: nn.Module, dense: DenseHead, selection: Selection | None = None) -> None:
        super().__init__()
        self.neck, self.dense = neck, dense
        self.selection = selection or Selection()
        self.num_classes = dense.num_classes

    @classmethod
    def finest_anchors(cls, settings: Any) -> tuple[int, float]:
        """See ``Head.finest_anchors``."""
        return settings.finest_stride, settings.anchor_scale

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> list[Detections]:
        """See ``Head.find``."""
        predictions = self.dense(self.neck(pyramid))
        frames = [Frame(area, covered(pyramid))] * len(pyramid[0])
        return self.dense.detect(predictions, frames, selection=self.selection)

    def candidates(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> Candidates:
        """See ``Head.candidates``: one for every anchor, level after level and row by row."""
        predictions = self.dense(self.neck(pyramid))
        # Not len(): of exported programs the batch may be a symbol.
        count, sizes = pyramid[0].shape[0], [(maps.shape[2], maps.shape[3]) for maps in predictions.classes]
        anchors = self.dense.anchors(sizes, predictions.boxes[0])

        def joined(levels: Sequence[Tensor]) -> Tensor:
            return torch.cat([rows.unflatten(0, (count, -1)) for rows in levels], 1)

        boxes = joined(
            [
                self.dense.decode(level, rows_of(outputs), anchors[level].repeat(count, 1), area)
                for level, outputs in enumerate(predictions.boxes)
            ]
        )
        scores = joined([rows_of(maps).sigmoid() for maps in predictions.classes])
        central = predictions.centerness
        if central is None:
            return Candidates(boxes, scores)
        return Candidates(boxes, scores, joined([rows_of(maps).sigmoid() for maps in central])[..., 0])

    @property
    def box_rule(self) -> BoxRule:
        """See ``Head.box_rule``."""
        chosen = self.selection
        overlap = None if chosen.suppression is None else chosen.suppression.overlap
        return BoxRule(self.dense.strides, chosen.least_score, chosen.per_level, overlap, chosen.count)

    @torch.no_grad()
    def find_in_views(
        self, pyramids: Iterable[Sequence[Tensor]], views: Sequence[View], rule: JoiningRule
    ) -> Detections:
        """See ``Head.find_in_views``: what all views find is suppressed together, in pixels of the image."""
        everything = replace(self.selection, suppression=None)
        boxes, scores, classes = [], [], []
        for index, (pyramid, view) in enumerate(zip(pyramids, views, strict=True)):
            frame = Frame(view.size, covered(pyramid))
            (found,) = self.dense.detect(self.dense(self.neck(pyramid)), [frame], selection=everything)
            own, mirrored = boxes_from_view(found.boxes, view), rule.classes_in(view)
            kept = slice(None) if rule.believed is None else of_sizes(own, rule.believed[index])
            boxes.append(own[kept])
            scores.append(found.scores[kept])
            labels = found.classes if mirrored is None else found.classes.new_tensor(mirrored)[found.classes]
            classes.append(labels[kept])
        parts = torch.cat(boxes), torch.cat(scores), torch.cat(classes)
        count = self.selection.count if rule.believed is None else rule.count
        kept, kept_scores = suppress_by_class(*parts, self.selection.suppression, count)
        return Detections(parts[0][kept], parts[2][kept], kept_scores)

    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """Nothing to take over: its losses weigh anchors, by ``DenseSettings``."""

    def count(self, targets: Targets) -> float:
        """Anchors that learn an object, at least 1 for each image."""
        truths = truths_of(targets, self.num_classes, False)
        sizes = self.dense.level_sizes(targets.area)
        like = next(self.parameters())
        return float(self.dense.targets_of(sizes, like, truths, targets.places(len(truths))).positives)

    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """What training minimizes, by its published names; the sums over the levels.

        Crowds take no part, as published.

        Args:
            pyramid: See ``Head.forward``.
            targets: Objects.
            divisor: What the class losses are divided by; the box losses are divided by the mean over the processes of
                their weights.

        Raises:
            InputError: There are no objects, or classes are outside of the head's.
            LossNotFinite: Predictions hold NaN or infinity.
        """
        truths = truths_of(targets, self.num_classes, False)
        if not all(maps.isfinite().all() for maps in pyramid):
            raise LossNotFinite("the backbone's maps hold NaN or infinity; lower the learning rate")
        frames = targets.places(len(truths))
        predictions = self.dense(self.neck(pyramid))
        with torch.autocast(pyramid[0].device.type, enabled=False):
            wanted = self.dense.targets(predictions, truths, frames)
            losses = self.dense.losses(predictions, wanted, mean_over_processes, divisor)
        return {name: values.sum() for name, values in losses.items()}
