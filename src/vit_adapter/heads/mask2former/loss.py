"""The loss of all prediction sets (Mask2Former, section 3.3; behaviours 59 to 67)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vit_adapter.heads.precision import at_least_float32, full_precision

from ..processes import mean_over_processes
from .loss_terms import dice_loss, point_cross_entropy, weighted_class_loss
from .matching import MATCHING, CostWeights, Pairs
from .points import sample_points, uncertain_points, uniform_points
from .targets import Target
from .transformer_decoder import Predictions


@dataclass(frozen=True)
class LossSettings:
    """How predictions are matched and scored; the defaults are those of all published models.

    Attributes:
        costs: Weights of the matching costs.
        class_weight: Weight of the class loss.
        mask_weight: Weight of the cross entropy of the masks.
        dice_weight: Weight of their Dice loss.
        no_object_weight: Weight of the class "no object" inside the class loss.
        class_weights: Weights of the K other classes in it; None: all 1.
        points: Points P at which masks are compared.
        oversampling: Candidates for uncertain points, as a multiple of P.
        importance: Share of uncertain points, 0..1.
    """

    costs: CostWeights = field(default_factory=CostWeights)
    class_weight: float = 2.0
    mask_weight: float = 5.0
    dice_weight: float = 5.0
    no_object_weight: float = 0.1
    class_weights: tuple[float, ...] | None = None
    points: int = 112 * 112
    oversampling: float = 3.0
    importance: float = 0.75


class Mask2FormerLoss(nn.Module):
    """Class, mask and Dice loss of every prediction set, each matched on its own.

    Args:
        settings: Weights and numbers of points.

    Attributes:
        draw: Source of random points. They are asked for set by set: for matching image by image, then
            candidates and fresh points of all matched masks (behaviour 64). All are asked for before the first match.
        average: Mean of a vector over all processes.
    """

    def __init__(self, settings: LossSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or LossSettings()
        self.draw = uniform_points
        self.average = mean_over_processes

    def forward(
        self, predictions: Predictions, targets: Sequence[Target], num_masks: float | None = None
    ) -> dict[str, Tensor]:
        """Compares predictions with targets, in float32 at least.

        The class loss is divided by the weights of the labels of this batch in this process, by design (behaviour 65).
        So it is not exactly that of a joint batch when processes, or accumulated batches, hold different
        numbers of masks; mask and Dice loss are.

        Args:
            predictions: All sets.
            targets: One for each image.
            num_masks: What mask and Dice loss are divided by; None: matched masks of this batch, averaged over
                the processes, at least 1 (behaviour 66). Where gradients of several batches are accumulated, give the
                average over them and over the processes.

        Returns:
            Scalars "loss_cls", "loss_mask", "loss_dice" of the last set, "d0.loss_cls" ... of the one before the
            first layer, "d1." ... of the others. Their sum is minimised.

        Raises:
            NotFiniteCosts: Predictions of some process hold NaN or infinity; all processes raise it.
        """
        with full_precision(predictions.masks[0].device.type):
            return self._losses(predictions, targets, num_masks)

    def _losses(
        self,
        predictions: Predictions,
        targets: Sequence[Target],
        num_masks: float | None,
        pairs: list[list[Pairs]] | None = None,
    ) -> dict[str, Tensor]:
        settings, sets = self.settings, len(predictions.classes)
        places, others = self._draw_points(predictions.masks[0], targets, sets)
        count = 1.0
        if pairs is None:
            pairs, count = self._match(predictions, targets, places)
        divisor = max(count, 1.0) if num_masks is None else num_masks
        rows, chosen = _links(pairs, targets, predictions.masks[0])  # [sets, N] each

        class_logits = torch.stack([at_least_float32(logits).flatten(0, 1) for logits in predictions.classes])
        no_object = class_logits.shape[-1] - 1
        labels = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        labels.scatter_(1, rows, torch.cat([target.classes for target in targets])[chosen])
        class_sums, weight_sums = weighted_class_loss(class_logits, labels, self._label_weights(class_logits))

        wanted_masks = (
            torch.cat([target.masks for target in targets]).to(class_logits.dtype) if others else None
        )
        losses: dict[str, Tensor] = {}
        for index in range(sets):
            mask_logits = predictions.masks[index]
            if wanted_masks is None:
                # Nothing to find, but the graph stays whole (behaviour 67).
                mask_sum = dice_sum = at_least_float32(mask_logits).sum() * 0.0
            else:
                logits = at_least_float32(mask_logits.flatten(0, 1)[rows[index]])  # [N, h, w]
                mask_sum, dice_sum = self._mask_sums(logits, wanted_masks, chosen[index], others[index])
            prefix = "" if index == sets - 1 else f"d{index}."
            losses |= {
                f"{prefix}loss_cls": settings.class_weight * class_sums[index] / weight_sums[index],
                f"{prefix}loss_mask": settings.mask_weight * mask_sum / (divisor * settings.points),
                f"{prefix}loss_dice": settings.dice_weight * dice_sum / divisor,
            }
        return losses

    def _draw_points(
        self, mask_logits: Tensor, targets: Sequence[Target], sets: int
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """All random points, in the order in which a set after another asks for them (behaviour 64).

        Returns:
            Of every set those for matching, [1, P, 2] an image, and those for its N matched masks: candidates
            and, unless all points are uncertain ones, fresh points; empty without matched masks.
        """
        settings, queries = self.settings, mask_logits.shape[1]
        like = at_least_float32(mask_logits.detach()[:0])
        matched = sum(min(len(target.classes), queries) for target in targets)
        important = int(settings.importance * settings.points)
        numbers = [int(settings.points * settings.oversampling), settings.points - important]
        places, others = [], []
        for _ in range(sets):
            places.append([self.draw(1, settings.points, like) for _ in targets])
            if matched:
                others.append([self.draw(matched, number, like) for number in numbers if number])
        return places, others

    def _match(
        self, predictions: Predictions, targets: Sequence[Target], places: list[list[Tensor]]
    ) -> tuple[list[list[Pairs]], float]:
        return MATCHING(
            predictions.classes, predictions.masks, targets, self.settings.costs, places, self.average
        )

    def stand_in(self, predictions: Predictions, masks: int, area: tuple[int, int]) -> Tensor:
        """A sum that holds as much memory as the losses do, whatever the tensors hold: nothing is matched by value.

        Args:
            predictions: All sets.
            masks: Masks in every image, the first queries being matched with them.
            area: (height, width) of the masks.
        """
        device, images = predictions.masks[0].device, len(predictions.masks[0])
        first = torch.arange(masks)
        target = Target(first.to(device) * 0, torch.zeros(masks, *area, dtype=torch.bool, device=device))
        pairs = [[(first, first)] * images] * len(predictions.classes)
        with full_precision(device.type):
            losses = self._losses(predictions, [target] * images, 1.0, pairs)
        return torch.stack([*losses.values()]).sum()

    def _label_weights(self, class_logits: Tensor) -> Tensor:
        """[K + 1], in the type of the logits: 0.1 rounded to float32 would be seen in float64."""
        classes = self.settings.class_weights or (1.0,) * (class_logits.shape[-1] - 1)
        weights = torch.tensor([*classes, self.settings.no_object_weight], dtype=class_logits.dtype)
        return weights.to(class_logits.device, non_blocking=True)

    def _mask_sums(
        self, logits: Tensor, masks: Tensor, chosen: Tensor, drawn: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Sums of cross entropy over all points and of Dice over all masks of one set.

        Args:
            logits: [N, h, w] of the matched queries.
            masks: [T, H, W] of all images.
            chosen: int64 [N], which of them each query gets.
            drawn: Candidates and fresh points.
        """
        settings, source = self.settings, iter(drawn)
        points = uncertain_points(
            logits.detach(),
            settings.points,
            settings.oversampling,
            settings.importance,
            lambda sets, points, like: next(source),
        )  # [N, P, 2]
        with torch.no_grad():
            # In the order of the masks, which then need no copy unless some are left out.
            order = chosen.argsort()
            masks = masks if len(masks) == len(chosen) else masks[chosen[order]]
            wanted = sample_points(masks[:, None], points[order])[:, 0][order.argsort()]  # [N, P]
        predicted = sample_points(logits[:, None], points)[:, 0]
        return point_cross_entropy(predicted, wanted).sum(), dice_loss(predicted, wanted).sum()


def _links(
    pairs: Sequence[Sequence[Pairs]], targets: Sequence[Target], mask_logits: Tensor
) -> tuple[Tensor, Tensor]:
    """int64 [sets, N] rows of queries and of masks, each counted through all images of the batch (behaviour 62)."""
    queries, rows, chosen = mask_logits.shape[1], [], []
    for of_images in pairs:
        first = 0
        for image, (target, (matched, masks)) in enumerate(zip(targets, of_images, strict=True)):
            rows.append(matched + image * queries)
            chosen.append(masks + first)
            first += len(target.classes)
    both = torch.stack([torch.cat(rows), torch.cat(chosen)]).view(2, len(pairs), -1)
    rows, chosen = both.to(mask_logits.device, non_blocking=True)
    return rows, chosen
