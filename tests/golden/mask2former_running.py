"""What the Mask2Former records share: recorded points, loss of a case, comparison."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vit_adapter.heads.mask2former import Mask2FormerLoss
from vit_adapter.heads.mask2former.targets import Target

from .case import Case
from .comparison import check_gradients, check_outputs


class RecordedPoints:
    """Gives recorded random points in order, and checks that as many are asked for."""

    def __init__(self, draws: list[Tensor]) -> None:
        self.left = list(draws)

    def __call__(self, sets: int, points: int, like: Tensor) -> Tensor:
        assert self.left, f"asked for {sets} x {points} points, but no draw is left"
        draw = self.left.pop(0)
        assert draw.shape == (sets, points, 2), f"asked for {sets} x {points}, recorded {tuple(draw.shape)}"
        return draw.to(like)


def check_case(
    case: Case, module: nn.Module, names: dict[str, str], outputs: dict[str, Tensor], loss: str | None = None
) -> None:
    """Compares outputs, and gradients of the loss or of the outputs times their probes."""
    if case.grads or case.grad_inputs:
        if loss is None:
            products = [(outputs[name] * probe).sum() for name, probe in case.probes.items()]
            outputs["probe_loss"] = torch.stack(products).sum()
        scalar = outputs[loss or "probe_loss"]
        scalar.backward()
        parameters = dict(module.named_parameters())
        check_gradients(
            case,
            {name: parameters[mine].grad for name, mine in names.items() if mine in parameters},
            {name: case.inputs[name].grad for name in case.grad_inputs},
        )
    check_outputs(case, outputs)


def numbered(name: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    """Outputs ``name.0``, ``name.1`` ..."""
    return {f"{name}.{index}": tensor for index, tensor in enumerate(tensors)}


def recorded_targets(case: Case) -> list[Target]:
    """Classes and masks of every image of a case."""
    return [
        Target(classes, masks.bool())
        for classes, masks in zip(case.input_list("gt_labels"), case.input_list("gt_masks"), strict=True)
    ]


class RecordedLoss:
    """Lets a loss draw the points of a case, and keeps what each image was matched with.

    Args:
        case: The case.
        criterion: The loss; this one object is changed.
    """

    def __init__(self, case: Case, criterion: Mask2FormerLoss) -> None:
        self.source = RecordedPoints(case.draws)
        self.found: list[Tensor] = []
        criterion.draw = self.source
        criterion.average = _with_the_other_process(case)
        matching = criterion._match

        def kept(predictions, targets, places):
            pairs, count = matching(predictions, targets, places)
            queries = predictions.classes[0].shape[1]
            for of_images in pairs:
                for matched, chosen in of_images:
                    nothing = torch.zeros(queries, dtype=torch.int64)
                    self.found.append(nothing.index_put((matched,), chosen + 1))
            return pairs, count

        criterion._match = kept

    def by_name(self, sets: int) -> dict[str, Tensor]:
        """``gt_inds.set.image``; every draw was used."""
        assert not self.source.left, f"{len(self.source.left)} recorded draws were not asked for"
        images = len(self.found) // sets
        return {f"gt_inds.{i // images}.{i % images}": found for i, found in enumerate(self.found)}


def _with_the_other_process(case: Case) -> Callable[[Tensor], Tensor]:
    """The mean over the recorded processes: this one and another that had so many masks and no trouble."""
    other, size = case.inputs.get("other_process_num_masks"), case.inputs.get("world_size")
    if other is None or size is None:
        return lambda values: values
    return lambda values: (values + values.new_tensor([float(other), 0.0])) / int(size)
