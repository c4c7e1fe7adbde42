"""Window tables, views of the test pipeline, and Mask2Former's semantic inference from recorded answers of its head."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from views import prepared_views, scores_of_view, whole_view
from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig, Normalization
from vit_adapter.inference import resize_scores, window_grid
from vit_adapter.inference.application import mean_probabilities
from vit_adapter.inference.strips import join_strips

from .case import Case
from .comparison import check_exact, check_outputs


def run_window_grid(path: Path) -> None:
    """Order and boxes of all windows; the sizes are in the names of the outputs."""
    case = Case(path)
    for name, recorded in case.outputs.items():
        numbers = re.fullmatch(r"crop(\d+)x(\d+)_stride(\d+)x(\d+)_img(\d+)x(\d+)", name)
        assert numbers is not None, name
        crop_h, crop_w, down, across, height, width = map(int, numbers.groups())
        boxes = window_grid((height, width), (crop_h, crop_w), (down, across))
        check_exact(torch.tensor([box.corners for box in boxes]), recorded, name)


def run_window_table(path: Path) -> None:
    """The same as a table."""
    rows = json.loads(path.read_text())["rows"]
    assert rows
    for row in rows:
        boxes = window_grid((row["height"], row["width"]), tuple(row["crop"]), tuple(row["stride"]))
        assert [list(box.corners) for box in boxes] == row["windows_y1_x1_y2_x2"], row


def recorded_protocol(outer: dict[str, Any]) -> InferenceConfig:
    """Our protocol for a recorded test pipeline."""
    steps = {step["type"]: step for step in outer["transforms"]}
    order = [step["type"] for step in outer["transforms"]]
    resize = steps.get("SETR_Resize")
    padding = None
    if "PadShortSide" in steps:
        padding = "before" if order.index("PadShortSide") < order.index("Normalize") else "after"
    crop = resize["crop_size"][0] if resize else steps.get("PadShortSide", {"size": 64})["size"]
    return InferenceConfig(
        resize=tuple(outer["img_scale"]),
        resize_rule="short_side" if resize else "fit",
        multiple=steps["ResizeToMultiple"]["size_divisor"] if "ResizeToMultiple" in steps else None,
        crop=crop,
        stride=crop,
        scales=tuple(outer.get("img_ratios", [1.0])),
        flip=outer["flip"],
        pad_to_crop=padding,
        normalization=Normalization(tuple(steps["Normalize"]["mean"]), tuple(steps["Normalize"]["std"])),
    )


def run_views(path: Path) -> None:
    """Every view that a protocol makes of an image, bit by bit but for the normalisation."""
    with safe_open(path, "np") as file:
        spec = json.loads((file.metadata() or {})["spec"])
        record = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    (outer,) = spec["steps"]
    image = np.ascontiguousarray(record["input/img"][..., ::-1])  # recorded as BGR
    views = prepared_views(image, recorded_protocol(outer))
    assert len(views) == sum(key.startswith("output/img.") for key in record) == len(spec["output_meta"])
    for index, (view, meta) in enumerate(zip(views, spec["output_meta"], strict=True)):
        recorded = record[f"output/img.{index}"]
        ours = whole_view(view)[0].numpy()
        assert ours.dtype == recorded.dtype
        np.testing.assert_allclose(ours, recorded, rtol=1e-6, atol=1e-6, err_msg=f"view {index}")
        assert [*view.view.size] == meta["img_shape"][:2]
        assert [*view.view.padded] == meta["pad_shape"][:2]
        assert view.view.flip == meta["flip"]


def run_mask2former_inference(path: Path) -> None:
    """Scores and probabilities of every view; the head's answers to each window are recorded."""
    case = Case(path)
    config = case.spec["config"]
    slides = config["mode"] == "slide"
    crop, stride = (tuple(config["crop"]), tuple(config["stride"])) if slides else (0, 0)
    answers = [
        # Class x mask sums at stride 4 (behaviour 73).
        torch.einsum("bqk,bqhw->bkhw", classes.softmax(dim=-1)[..., :-1], masks.sigmoid())
        for classes, masks in zip(case.input_list("cls"), case.input_list("mask"), strict=True)
    ]
    boxes: list[Window] = []
    views: list[Tensor] = []
    ours: dict[str, Tensor] = {"head_semantic.0": answers[0]}
    for view in config["views"]:
        size = (view["height"], view["width"])
        windows = window_grid(size, crop, stride) if slides else [Window(0, 0, *size)]
        recorded = answers[len(boxes) : len(boxes) + len(windows)]
        scores = scores_of_view(
            _recorded_answers(dict(zip(windows, recorded, strict=True))),
            _coordinates(size).expand(config["batch_size"], -1, -1, -1),
            tuple(config["original_size"]) if config["rescale"] else size,
            mode=config["mode"],
            crop=crop,
            stride=stride,
            valid_size=(view["valid_height"], view["valid_width"])
            if config["segmentor"].endswith("Aug")
            else None,
            flip=view["flip"],
        )
        boxes += windows
        views.append(scores)
        # Recorded before the un-flip.
        ours["seg_logit"] = scores.flip({"horizontal": [-1], "vertical": [-2]}.get(view["flip"], []))
        ours["prob"] = ours[f"prob.{len(views) - 1}"] = scores.softmax(dim=1)
    assert len(boxes) == len(answers), "fewer windows than recorded answers"
    mean = join_strips(
        mean_probabilities([iter([scores]) for scores in views], rows=views[0].shape[2], block=7)
    )
    corners = torch.tensor([box.corners for box in boxes])
    ours |= {"prob_mean": mean, "argmax": mean.argmax(dim=1), "windows": corners[:, [0, 2, 1, 3]]}
    check_outputs(case, {name: ours[name] for name in case.outputs})


def _coordinates(size: tuple[int, int]) -> Tensor:
    """An image [1, 2, h, w] whose pixels tell where they are."""
    rows, columns = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    return torch.stack([rows, columns])[None].double()


def _recorded_answers(answers: dict[Window, Tensor]) -> Callable[[Tensor], Tensor]:
    """A model that knows the answer to each window by where it lies, in whatever order they come."""

    def answer(windows: Tensor) -> Tensor:
        (top, left), (bottom, right) = (
            windows[0, :, 0, 0].int().tolist(),
            windows[0, :, -1, -1].int().tolist(),
        )
        window = Window(top, left, bottom + 1 - top, right + 1 - left)
        return resize_scores(answers[window], (windows.shape[2], windows.shape[3]))

    return answer


RUNNERS: dict[str, Callable[[Path], None]] = {
    "06_segmentor__slide_windows": run_window_grid,
    "slide_windows": run_window_table,
    "25_m2f_inference__": run_mask2former_inference,
}
