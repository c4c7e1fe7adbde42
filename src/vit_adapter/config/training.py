"""How a model is trained."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .values import Checked, number, path


# What the published runs do: behaviours 83 to 87.
@dataclass(frozen=True)
class TrainingConfig(Checked):
    """Optimiser, schedule and run.

    Attributes:
        steps: Optimiser steps.
        batch_size: Images per device and step, before accumulation.
        accumulate: Batches whose gradients are added up for one step.
        order: "shuffled": every image once in each pass. "shapes": as published for detection, a batch holds images
            wider than high or none of them, both kinds filled up to whole batches. "endless_shapes": the same as
            collected along one endless sequence (COCO panoptic, Objects365).
        learning_rate: Highest rate of AdamW.
        betas: Decay per step of AdamW's averages of gradients and of squared ones.
        weight_decay: Decoupled decay; 1-dimensional parameters and biases get none.
        layer_decay: Rate of each ViT block relative to the next one; 1 or None: none.
        parameter_rules: "layers": rates by ``layer_decay``, no weight decay for one-dimensional parameters and biases.
            "names": as published for detection; no weight decay for parameters called norm, bias, pos_embed or
            level_embed in the official files, and slow learned proposals.
        query_layer_decay: With a ``layer_decay``, Mask2Former's queries, class and mask layers learn as slowly as what
            precedes the first ViT block, as published; False: at the full rate.
        head_learning_rate_factor: Rate of the head's parameters relative to the rest (AugReg-B); 1: same.
        warmup_steps: Steps of the linear warm-up; None: 1500, or a tenth of ``steps`` if that is less.
        warmup_ratio: Factor at the first step.
        schedule: How the rate falls: "polynomial", at "steps" to a tenth each time, or along a "cosine".
        power: Exponent of the polynomial decay to ``minimum_learning_rate``.
        minimum_learning_rate: Rate at the end, not scaled by layer decay; of the polynomial decay.
        milestones: Steps at which the rate of the schedule "steps" falls.
        cosine_every: Steps between two changes of the rate of the schedule "cosine"; published: an epoch.
        cosine_floor: Share of the rate that the schedule "cosine" ends at.
        clip_gradient_norm: Largest norm of all gradients together; None: no clipping.
        ema_decay: Exponential average of weights and buffers, used for validation and saving; None: none.
        ema_warmup: Steps in which the average forgets its beginning: the share of the old grows towards ``ema_decay``
            with this time constant; None: it is ``ema_decay`` from the second step on.
        class_weights: None, "auto" (square root of median frequency / frequency, within 0.1 and 10, counted in up to
            1000 images) or a file with one number per class; not for Mask2Former.
        dice_weight: Weight of a Dice loss beside cross entropy.
        focal_gamma: Exponent of a focal loss instead of cross entropy; None: cross entropy.
        average_over: Loss averaged over "all" pixels, void ones included (published), or "valid" ones.
        precision: "32-true", "bf16-mixed" or "16-mixed" (CUDA only).
        devices: Number of devices, or "auto".
        accelerator: "auto", "cpu", "cuda" or "mps" (untested).
        nodes: Number of machines.
        seed: Every random draw is a function of it and of the position in the run.
        validate_every: Steps between validations; None: ten times in a run, or rarely enough, and on few enough images,
            for validation to take about a tenth of the run.
        validation_sample: Number of images, evenly spread, measured by each validation during the run; the last one
            measures all. None: all during the run as well, or with ``validate_every: null`` as many as fit.
        checkpoint_every: Steps between checkpoints to resume from; None: ``validate_every``, or ten times in a run.
        early_stopping: Stop after this many validations without a better mIoU; None: never.
        out: Run folder; None: ``runs/`` plus name and time.
        resume: Continue the run in ``out`` exactly where its last checkpoint stopped.
        init: Model folder or checkpoint to start from; classes are matched by name.
        quiet: No progress bar.
    """

    section: ClassVar[str] = "training"

    steps: int = number(2000, at_least=1)
    batch_size: int = number(4, at_least=1)
    accumulate: int = number(1, at_least=1)
    order: Literal["shuffled", "shapes", "endless_shapes"] = "shuffled"
    learning_rate: float = number(1e-3, above=0)
    betas: tuple[float, float] = number((0.9, 0.999), at_least=0, below=1)
    weight_decay: float = number(0.05, at_least=0)
    layer_decay: float | None = number(None, above=0, at_most=1)
    parameter_rules: Literal["layers", "names"] = "layers"
    query_layer_decay: bool = True
    head_learning_rate_factor: float = number(1.0, above=0)
    warmup_steps: int | None = number(None, at_least=0)
    warmup_ratio: float = number(1e-6, at_least=0)
    schedule: Literal["polynomial", "steps", "cosine"] = "polynomial"
    power: float = number(1.0, at_least=0)
    minimum_learning_rate: float = number(0.0, at_least=0)
    milestones: tuple[int, ...] = number((), at_least=0)
    cosine_every: int = number(1, at_least=1)
    cosine_floor: float = number(0.0, at_least=0, at_most=1)
    clip_gradient_norm: float | None = number(None, above=0)
    ema_decay: float | None = number(None, at_least=0, below=1)
    ema_warmup: int | None = number(None, at_least=1)
    class_weights: str | None = path(None)
    dice_weight: float = number(0.0, at_least=0)
    focal_gamma: float | None = number(None, at_least=0)
    average_over: Literal["all", "valid"] = "all"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int | Literal["auto"] = number("auto", at_least=1)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    nodes: int = number(1, at_least=1)
    seed: int = number(0, at_least=0)
    validate_every: int | None = number(None, at_least=1)
    validation_sample: int | None = number(None, at_least=1)
    checkpoint_every: int | None = number(None, at_least=1)
    early_stopping: int | None = number(None, at_least=1)
    out: str | None = path(None)
    resume: bool = False
    init: str | None = path(None)
    quiet: bool = False
