"""How a model is measured."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from .values import Checked, number

Precision = Literal["float32", "bfloat16", "float16"]
"""Numeric type of a network that is applied; not that of training, whose weights stay float32."""


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Evaluation over a data set; the way an image is handled is the protocol of the model.

    Attributes:
        tta: Multi-scale testing as published: scales 0.5 to 1.75 and, where the model's ``tta_flip`` says so,
            mirror images.
        limit: Number of images to measure, from the first on; None: all.
        batch_size: Windows or images of equal size processed together.
        device: "auto", "cpu", "cuda" or "mps".
        precision: "float32", "bfloat16" or "float16" (slow on most CPUs).
        threshold: For two classes: smallest probability of class 1 that counts as class 1; None: arg-max. For a
            single class of Mask2Former: the smallest that counts as found; None: 0.5.
        object_threshold: Smallest score of an object that average precision counts, 0..1; 0: all of them. Leaving out
            what a model hardly believes in costs next to nothing and saves time, the more the more windows there are.
        worst: Number of worst images written as overlays.
        exclude_from_mean: Names or mask values of classes that mIoU and the other means over classes leave out; their
            pixels count as before (to exclude their pixels altogether, see ``data.ignored_values``).
    """

    section: ClassVar[str] = "evaluation"

    tta: bool = False
    limit: int | None = number(None, at_least=1)
    batch_size: int = number(4, at_least=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Precision = "float32"
    threshold: float | None = number(None, at_least=0, at_most=1)
    object_threshold: float = number(0.0, at_least=0, at_most=1)
    worst: int = number(10, at_least=0)
    exclude_from_mean: list[str | int] = field(default_factory=list)
