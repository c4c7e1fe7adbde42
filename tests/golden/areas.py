"""Which module runs the records of an area."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from .roots import Record

Runner = Callable[[Path], None]

MODULES: dict[str, tuple[str, ...]] = {
    "01": ("attention_cases",),
    "02": ("backbone_cases",),
    "03": ("backbone_cases",),
    "04": ("backbone_cases",),
    "05": ("head_cases",),
    "06": ("segmenter_cases", "inference_cases"),
    "07": ("training_cases",),
    "08": ("checkpoint_cases",),
    "09": ("backbone_cases",),
    "10": ("dinov3_cases",),
    "11": ("dinov3_cases",),
    "20": ("mask2former_cases",),
    "21": ("mask2former_cases",),
    "22": ("mask2former_cases",),
    "23": ("mask2former_loss_cases",),
    "24": ("mask2former_loss_cases",),
    "25": ("inference_cases",),
    "26": ("mask2former_cases",),
    "27": ("instance_cases",),
    "29": ("target_cases", "mask_target_cases"),
    "30": ("detection_backbone_cases",),
    "31": ("box_cases",),
    "32": ("rpn_cases",),
    "33": ("roi_cases",),
    "34": ("two_stage_cases",),
    "35": ("two_stage_cases",),
    "36": ("two_stage_cases",),
    "37": ("atss_cases", "detection_training_cases"),
    "38": ("gfl_cases",),
    "39": ("sparse_rcnn_cases", "detection_training_cases"),
    "40": ("detector_cases", "panoptic_cases", "detection_training_cases"),
    "pipeline": (
        "pipeline_cases",
        "inference_cases",
        "mask_target_cases",
        "detection_pipeline_cases",
        "coco_cases",
    ),
    "metrics": ("metrics_cases", "object_metrics_cases"),
    "optimizer": ("optimizer_cases",),
    "manifests": ("manifest_cases",),
    "manifests_dinov3": ("dinov3_cases",),
    "pretraining": ("pretraining_cases",),
    "datasets": ("dataset_cases",),
    "detection": ("detection_recipe_cases",),
}
"""Area, by its number or by its folder's name, to the modules of this folder that hold its runners.

Each module has ``RUNNERS``, a dictionary from the beginning of a file's name to the function that runs the file;
the longest beginning wins.
"""


class UnknownArea(LookupError):
    """A record of an area that no table names."""


def find_runner(record: Record) -> Runner:
    """The function that runs a record.

    Raises:
        UnknownArea: The area is in no table.
        NotImplementedError: No module has a runner for the file yet.
    """
    area = record.area if record.area in MODULES else record.area.split("_")[0]
    if area not in MODULES:
        raise UnknownArea(
            f"area {record.area!r} of {record.path.name} is unknown; the known ones: {sorted(MODULES)}"
        )
    runners: dict[str, Runner] = {}
    for module in MODULES[area]:
        for prefix, runner in _runners_of(module).items():
            if runners.setdefault(prefix, runner) is not runner:
                raise ValueError(f"two runners for files of area {area} that begin with {prefix!r}")
    fitting = [prefix for prefix in runners if record.path.name.startswith(prefix)]
    if not fitting:
        raise NotImplementedError(f"no runner for {record.label}")
    return runners[max(fitting, key=len)]


def _runners_of(module: str) -> dict[str, Runner]:
    package = __package__ or "golden"
    if importlib.util.find_spec(f"{package}.{module}") is None:
        return {}
    return importlib.import_module(f"{package}.{module}").RUNNERS
