"""The loss of all prediction sets (Mask2Former, section 3.3; behaviours 59 to 67)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vit_adapter.heads.precision import at_least_float32, full_precision

from ..processes import mean_over_processes
from .loss_terms import dice_loss, point_cross_entropy, weighted_class_loss
from .matching import CostWeights, NotFiniteCosts, match
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
            candidates and fresh points of all matched masks (behaviour 64).
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
        losses: dict[str, Tensor] = {}
        last = len(predictions.classes) - 1
        for index, (classes, masks) in enumerate(zip(predictions.classes, predictions.masks, strict=True)):
            prefix = "" if index == last else f"d{index}."
            with full_precision(masks.device.type):
                parts = self._one_set(
                    at_least_float32(classes), at_least_float32(masks), targets, num_masks, index
                )
            losses |= {prefix + name: value for name, value in parts.items()}
        return losses

    def _one_set(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        targets: Sequence[Target],
        num_masks: float | None,
        index: int,
    ) -> dict[str, Tensor]:
        """class_logits [B, Q, K + 1], mask_logits [B, Q, h, w]."""
        settings = self.settings
        pairs, trouble = [], ""
        for image, target in enumerate(targets):
            try:
                pairs.append(self._match(class_logits[image], mask_logits[image], target))
            except NotFiniteCosts as error:
                trouble = f"prediction set {index}, image {image} of the batch: {error}"
                break
        matched = sum(len(queries) for queries, _ in pairs)
        # One process alone must not stop: the others would wait for it.
        count, troubled = self.average(mask_logits.new_tensor([matched, float(bool(trouble))])).tolist()
        if troubled > 0:
            raise NotFiniteCosts(trouble or "matching costs are not finite in another process")
        divisor = max(count, 1.0) if num_masks is None else num_masks

        labels = _query_labels(class_logits, targets, pairs)
        class_sum, weight_sum = weighted_class_loss(
            class_logits.flatten(0, 1), labels.flatten(), self._label_weights(class_logits)
        )
        if matched:
            mask_sum, dice_sum = self._mask_sums(mask_logits, targets, pairs)
        else:
            mask_sum = dice_sum = (
                mask_logits.sum() * 0.0
            )  # nothing to find, but the graph stays whole (behaviour 67)
        return {
            "loss_cls": settings.class_weight * class_sum / weight_sum,
            "loss_mask": settings.mask_weight * mask_sum / (divisor * settings.points),
            "loss_dice": settings.dice_weight * dice_sum / divisor,
        }

    def _label_weights(self, class_logits: Tensor) -> Tensor:
        """[K + 1], in the type of the logits: 0.1 rounded to float32 would be seen in float64."""
        classes = self.settings.class_weights or (1.0,) * (class_logits.shape[-1] - 1)
        return class_logits.new_tensor([*classes, self.settings.no_object_weight])

    def _match(self, class_logits: Tensor, mask_logits: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        return match(class_logits, mask_logits, target, self.settings.costs, self.settings.points, self.draw)

    def _mask_sums(
        self, mask_logits: Tensor, targets: Sequence[Target], pairs: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Sums of cross entropy over all points and of Dice over all masks; N matched masks in all."""
        logits = torch.cat(
            [image[queries] for image, (queries, _) in zip(mask_logits, pairs, strict=True)]
        )  # [N, h, w]
        points = uncertain_points(
            logits.detach(),
            self.settings.points,
            self.settings.oversampling,
            self.settings.importance,
            self.draw,
        )  # [N, P, 2]
        with torch.no_grad():
            masks = torch.cat(
                [target.masks[chosen] for target, (_, chosen) in zip(targets, pairs, strict=True)]
            )  # [N, H, W]
            wanted = sample_points(masks[:, None].to(logits.dtype), points)[:, 0]  # [N, P]
        predicted = sample_points(logits[:, None], points)[:, 0]
        return point_cross_entropy(predicted, wanted).sum(), dice_loss(predicted, wanted).sum()


def _query_labels(
    class_logits: Tensor, targets: Sequence[Target], pairs: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """int64 [B, Q]: the class of each query's mask, K where it has none (behaviour 62)."""
    batch, queries, columns = class_logits.shape
    labels = torch.full((batch, queries), columns - 1, dtype=torch.int64, device=class_logits.device)
    for row, target, (matched, chosen) in zip(labels, targets, pairs, strict=True):
        row[matched] = target.classes[chosen]
    return labels
