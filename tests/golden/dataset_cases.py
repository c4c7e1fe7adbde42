"""Records of ``datasets/``: classes, colours, sizes, and what mask values stand for."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vit_adapter.config import DataConfig
from vit_adapter.data.class_files import ClassEntry
from vit_adapter.data.mapping import build_mapping
from vit_adapter.images import Mask
from vit_adapter.zoo import DATASETS


def run(path: Path) -> None:
    """One data set."""
    record = json.loads(path.read_text())
    ours = DATASETS[path.stem]
    assert ours.title == record["name"]
    assert list(ours.class_names) == [name.strip() for name in record["classes"]]  # FACTS 39
    assert [list(colour) for colour in ours.palette] == record["palette"]
    assert len(ours.classes()) == record["num_classes"]
    assert ours.reduce_zero == record["reduce_zero_label"]
    assert (ours.train_images, ours.val_images) == (record["train_images"], record["val_images"])
    assert ours.metric == record.get("metric", "mIoU")
    evaluated = DATASETS[ours.evaluated_on or path.stem]
    assert list(evaluated.class_names) == [
        name.strip() for name in record.get("trained_classes", record["classes"])
    ]
    _check_labels(record)


def _check_labels(record: dict) -> None:
    """Labels of the mask values of a prepared file, 0 to the last class, and 255."""
    count, ignored, reduce_zero = record["num_classes"], record["ignore_index"], record["reduce_zero_label"]
    first = 1 if reduce_zero else 0
    values = np.array([[*range(first + count), ignored]], np.uint8)
    entries = [ClassEntry(name.strip(), first + label) for label, name in enumerate(record["classes"])]
    settings = DataConfig(ignore=ignored)
    mapping = build_mapping(
        settings, entries, values.ravel().tolist(), where="record", reduce_zero=reduce_zero
    )
    expected = [*([ignored] if reduce_zero else []), *range(count), ignored]
    assert mapping.encode(Mask(values), "record").tolist() == [expected]


RUNNERS: dict[str, Callable[[Path], None]] = {"": run}
