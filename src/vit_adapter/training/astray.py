"""Why a loss may have become NaN or infinite: what is known about the batch, the settings and the step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vit_adapter.config import TrainingConfig

FAR = 100.0
"""Deviations from the mean that no correctly normalised image reaches."""


@dataclass(frozen=True)
class BatchFacts:
    """What is known of the images that a process had in a step.

    Attributes:
        names: Of all of them.
        bad: Of those with values that are no finite numbers.
        lowest: Lowest value of the input, in deviations from the mean (finite ones only).
        highest: Highest one.
    """

    names: list[str]
    bad: list[str]
    lowest: float
    highest: float


def batch_facts(batch: Sequence[dict[str, Any]]) -> BatchFacts:
    """Look at the forward passes of a step."""
    names, bad, lowest, highest = [], [], float("inf"), float("-inf")
    for part in batch:
        names += part["names"]
        for name, image in zip(part["names"], part["image"], strict=True):
            finite = image.isfinite()
            if not finite.all():
                bad.append(name)
            values = image[finite]
            if values.numel():
                lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    return BatchFacts(names, bad, lowest, highest)


def joined_facts(parts: Sequence[BatchFacts]) -> BatchFacts:
    """Of several processes together."""
    return BatchFacts(
        sorted({name for part in parts for name in part.names}),
        sorted({name for part in parts for name in part.bad}),
        min(part.lowest for part in parts),
        max(part.highest for part in parts),
    )


def told_facts(facts: BatchFacts) -> str:
    """The batch in words."""
    return (
        f"images of the batch: {', '.join(facts.names)}; input from {facts.lowest:.4g} to {facts.highest:.4g} "
        "deviations"
    )


def blames_input(facts: BatchFacts | None) -> bool:
    """Whether the images themselves are the likely cause, so that another rate would not help."""
    return facts is not None and bool(facts.bad or max(-facts.lowest, facts.highest) > FAR)


def likely_reason(facts: BatchFacts | None, config: TrainingConfig, rate: float) -> str:
    """The likely reason and what helps, the surest one alone.

    Args:
        facts: The batch; None: not known.
        config: Precision and clipping.
        rate: Learning rate of the step.
    """
    if facts is not None and facts.bad:
        return (
            f"the input itself is not finite in {', '.join(facts.bad)}: the file holds values that are not numbers, or "
            "data.std is 0 or nearly so"
        )
    if facts is not None and blames_input(facts):
        return (
            "no normal image lies that far from the mean: data.mean and data.std do not fit the values in the files, "
            "or one of these files holds others"
        )
    remedies = [f"a lower training.learning_rate (it was {rate:.3g} in this step)"]
    if config.clip_gradient_norm is None:
        remedies.append("training.clip_gradient_norm")
    if config.precision != "32-true":
        remedies.append(f"training.precision 32-true (it is {config.precision})")
    more = f"{', '.join(remedies[:-1])} or {remedies[-1]}" if len(remedies) > 1 else remedies[0]
    usual = "" if facts is None else "the input looks normal, so the weights have diverged: "
    return f"{usual}{more} may help"
