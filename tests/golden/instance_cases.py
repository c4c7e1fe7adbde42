"""Area 27: objects and segments of class and mask logits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vit_adapter.annotations import RunLengths
from vit_adapter.config import ObjectConfig
from vit_adapter.tasks.queries import find_instances, find_segments
from vit_adapter.tasks.window_walk import MaskSizes

from .case import Case
from .comparison import check_outputs


def run(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """One record: for each set of thresholds, or for each size."""
    case = Case(path, dtype)
    masks, ours = case.inputs["mask_pred"], {}
    if "test_cfgs" in case.config:
        whole = MaskSizes(*[(masks.shape[1], masks.shape[2])] * 2)
        for name, settings in case.config["test_cfgs"].items():
            ours |= results(case, name, whole, settings)
    else:
        padded, valid, original = (
            (int(size[0]), int(size[1]))
            for size in (case.stored_inputs[f"{kind}_size"] for kind in ("pad", "valid", "ori"))
        )
        settings = case.config["test_cfg"]
        assert settings["panoptic_on"]
        assert settings["instance_on"]
        ours |= results(case, "not_rescaled", MaskSizes(padded, valid), settings)
        ours |= results(case, "rescaled", MaskSizes(padded, valid, original), settings)
    check_outputs(case, ours)


def results(case: Case, name: str, sizes: MaskSizes, settings: dict) -> dict[str, Tensor]:
    """Everything that is recorded for one set of thresholds."""
    things, stuff = case.config["num_things_classes"], case.config["num_stuff_classes"]
    is_thing = np.arange(things + stuff) < things
    logits = case.inputs["mask_cls"], case.inputs["mask_pred"]
    config = ObjectConfig(
        score_threshold=0,
        segment_threshold=settings.get("object_mask_thr", 0.8),
        overlap_threshold=settings["iou_thr"],
        fill_segments=not settings["filter_low_score"],
        max_objects=settings["max_per_image"],
    )
    found = find_instances(*logits, sizes, is_thing, config)
    assert found.scores is not None
    assert found.masks is not None
    masks = [mask.mask() if isinstance(mask, RunLengths) else mask for mask in found.masks]
    boxes = np.concatenate([found.boxes, found.scores[:, None]], axis=1, dtype=np.float64)

    segments = find_segments(*logits, sizes, is_thing, config)
    values, number = [len(is_thing)], 0  # nothing; then the running number of things
    for label in segments.classes.tolist():
        number += is_thing[label]
        values.append(label + case.config["instance_offset"] * number * is_thing[label])
    return {
        f"{name}.ins_labels": torch.from_numpy(found.classes),
        f"{name}.ins_boxes": torch.from_numpy(boxes),
        f"{name}.ins_masks": torch.from_numpy(np.array(masks, bool).reshape(-1, *sizes.result)),
        f"{name}.panoptic": torch.from_numpy(np.array(values)[segments.ids]),
    }


RUNNERS: dict[str, Callable[[Path], None]] = {"": run}
