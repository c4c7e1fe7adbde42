"""Area 06: whole models: losses of a training step, and inference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from views import scores_of_view
from vit_adapter.inference.application import mean_probabilities
from vit_adapter.inference.strips import join_strips

from .building import build_segmenter
from .case import Case
from .comparison import check_labels, check_outputs
from .names import load_official
from .running import run_module

LABEL_GAP = 10
"""Labels are decided where the two best recorded scores differ by so many tolerances."""


def run_training_losses(path: Path) -> None:
    """Losses and accuracies of both heads, their sum, gradients."""
    case = Case(path)
    model = build_segmenter(case.config)

    def forward() -> dict[str, Tensor]:
        losses = model.loss(case.inputs["image"], case.inputs["labels"][:, 0])
        return {
            "total": losses["loss"],
            "decode.loss_ce": losses["loss_ce"],
            "decode.acc_seg": losses["accuracy"][None],
            "aux.loss_ce": losses["auxiliary.loss_ce"],
            "aux.acc_seg": losses["auxiliary.accuracy"][None],
        }

    run_module(case, model, "segmenter", forward, loss="total")


def run_inference(path: Path) -> None:
    """Whole and sliding, resized to the original size and mirrored back; names tell what was done."""
    case = Case(path)
    scores = _Scores(case)
    inputs, originals = case.inputs, case.spec["original_sizes"]
    whole, slide = inputs["whole"], inputs["slide"]
    ours = {
        "encode_decode": scores.model(whole),
        "whole_inference_rescaled": scores(whole, originals["whole_inference_rescaled"], "whole"),
        "slide": scores(slide, originals["slide"], "slide"),
        "slide_rescaled": scores(slide, originals["slide_rescaled"], "slide"),
        "slide_small": scores(inputs["small"], originals["slide_small"], "slide"),
    }
    for name in (name for name in case.outputs if name.startswith("inference_")):
        _, mode, flip = name.split("_")
        direction = {"hflip": "horizontal", "vflip": "vertical", "plain": None}[flip]
        ours[name] = scores(inputs[mode], originals[name], mode, direction).softmax(dim=1)
    check_outputs(case, ours, skip=("pred_*",))
    for mode, recorded in (("slide", "slide_rescaled"), ("whole", "whole_inference_rescaled")):
        name = f"pred_{mode}"
        _check_labels(case, name, scores(inputs[mode], originals[name], mode), case.outputs[recorded])


def run_augmented(path: Path) -> None:
    """Mean of the probabilities of several sizes and flips at the original size."""
    case = Case(path)
    scores = _Scores(case)
    config, views = case.config, []
    for index, view in enumerate(config["augs"]):
        image = case.inputs[f"aug{index}"]
        assert list(image.shape[2:]) == view["size"]
        flip = view["flip_direction"] if view["flip"] else None
        views.append(scores(image, config["ori_shape"], config["test_cfg"]["mode"], flip))
    mean = join_strips(mean_probabilities([iter([view]) for view in views], rows=views[0].shape[2], block=7))
    ours = {f"prob_{index}": view.softmax(dim=1) for index, view in enumerate(views)}
    check_outputs(case, {**ours, "prob_mean": mean}, skip=("pred",))
    _check_labels(case, "pred", mean, case.outputs["prob_mean"])


class _Scores:
    """The model of a case, applied to views as ``Segmenter.predict`` applies it: windows at stride 4."""

    def __init__(self, case: Case) -> None:
        self.model = build_segmenter(case.config)
        load_official(self.model, case.weights, "segmenter")
        self.model.to(case.dtype).eval()
        self.settings = case.config["test_cfg"]

    @torch.no_grad()
    def __call__(self, images: Tensor, original: list[int], mode: Any, flip: Any = None) -> Tensor:
        height, width = original
        windows = {}
        if mode == "slide":
            windows = {
                name: tuple(self.settings[key]) for name, key in (("crop", "crop_size"), ("stride", "stride"))
            }
        return scores_of_view(
            lambda window: self.model.head(self.model._pyramid(window)[0]),
            images,
            (height, width),
            mode=mode,
            flip=flip,
            **windows,
        )


def _check_labels(case: Case, name: str, scores: Tensor, recorded: Tensor) -> None:
    tolerance = case.spec["tolerance"]["output"]
    gap = LABEL_GAP * (tolerance["atol"] + tolerance["rtol"] * float(recorded.abs().max()))
    check_labels(scores[0].argmax(0), case.outputs[name], recorded[0], gap, name)


RUNNERS: dict[str, Callable[[Path], None]] = {
    "06_segmentor__train_losses": run_training_losses,
    "06_segmentor__inference": run_inference,
    "06_segmentor__aug_": run_augmented,
}
