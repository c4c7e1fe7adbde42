"""Records of area 29 and of ``pipeline/`` that make classes and masks from label maps."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from vit_adapter.config import DataConfig
from vit_adapter.data.class_files import ClassEntry
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.mapping import build_mapping
from vit_adapter.heads.mask2former.targets import target_of
from vit_adapter.images import Mask

from .case import Case
from .comparison import check_exact, check_outputs
from .pipeline_cases import run_training_pipeline


def run_masks_of_labels(path: Path) -> None:
    """Masks and classes of label maps."""
    case = Case(path)
    ours: dict[str, Tensor] = {}
    for name, labels in case.inputs.items():
        target = target_of(labels, case.config["ignore_index"])
        number = name.removeprefix("seg.")
        ours |= {f"gt_labels.{number}": target.classes, f"gt_masks.{number}": target.masks}
    check_outputs(case, ours)


def run_masks_of_record(path: Path) -> None:
    """The same of an image that goes through the pipeline."""
    record = load_file(path)
    labels = record["input/gt_semantic_seg"].long()
    _check_masks(labels, record)
    # Ours are batched as they are; nothing is added to the label map.
    check_exact(labels, record["output/gt_semantic_seg"].long().reshape(labels.shape), "labels")


def run_training_pipeline_with_masks(path: Path) -> None:
    """The whole training transform, then masks of its labels."""
    run_training_pipeline(path)  # its labels equal the recorded ones
    record = load_file(path)
    _check_masks(record["output/gt_semantic_seg"][0], record)


def _check_masks(labels: Tensor, record: dict[str, Tensor]) -> None:
    target = target_of(labels, 255)
    check_exact(target.classes, record["output/gt_labels"], "classes")
    check_exact(target.masks, record["output/gt_masks"], "masks")


def run_reduced_labels(path: Path) -> None:
    """Label maps with and without the reduction of label 0."""
    case = Case(path)
    for name, values in case.inputs.items():
        mask = Mask(values.numpy().astype(np.uint8), None)
        found = np.unique(mask.values).tolist()
        classes = [ClassEntry(f"class {value}", value) for value in range(1, 255)]
        mapping = build_mapping(DataConfig(), classes, found, where="record", void_id=0, reduce_zero=True)
        reduced = torch.from_numpy(mapping.encode(mask, name).astype(np.int64))
        check_exact(reduced, case.outputs[f"{name}.reduced"], name)
        check_exact(values, case.outputs[f"{name}.plain"], name)


def run_mapillary_case(path: Path) -> None:
    """Label maps of Mapillary Vistas as 19 classes."""
    case = Case(path)
    for name, values in case.inputs.items():
        _check_mapillary(values.numpy().astype(np.uint8), case.outputs[name])


def run_mapillary_record(path: Path) -> None:
    """The same of an image that goes through the pipeline."""
    record = load_file(path)
    _check_mapillary(record["input/gt_semantic_seg"].numpy(), record["output/gt_semantic_seg"])


def _check_mapillary(values: np.ndarray, recorded: Tensor) -> None:
    """A label file in the official layout, read as a data set; training joins both folders (behaviour 92)."""
    with TemporaryDirectory() as folder:
        for split in ("training", "validation"):
            (Path(folder) / split / "images").mkdir(parents=True)
            (Path(folder) / split / "labels").mkdir()
            image = Image.fromarray(np.zeros((*values.shape, 3), np.uint8))
            image.save(Path(folder) / split / "images" / f"{split}.jpg")
            labels = Image.fromarray(values)
            labels.putpalette(list(range(256)) * 3)
            labels.save(Path(folder) / split / "labels" / f"{split}.png")
        dataset = open_dataset(DataConfig(root=folder, layout="mapillary_vistas"), "train")
        assert len(dataset) == 2
        for index in range(2):
            labels = torch.from_numpy(dataset.read(index).labels.astype(np.int64))
            check_exact(labels, recorded.long(), "labels")


RUNNERS: dict[str, Callable[[Path], None]] = {
    "29_targets__tomask": run_masks_of_labels,
    "29_targets__reduce_zero_label": run_reduced_labels,
    "29_targets__mapillary": run_mapillary_case,
    "to_mask__": run_masks_of_record,
    "mapillary_map__": run_mapillary_record,
    "train_pipeline__mask2former_": run_training_pipeline_with_masks,
}
