"""Records of ``datasets/``: classes, colours, sizes, folders, and what mask values stand for."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from vit_adapter.config import DataConfig
from vit_adapter.data.class_files import ClassEntry
from vit_adapter.data.layouts.official import MaskForm, OfficialDataset
from vit_adapter.data.layouts.readers import OFFICIAL
from vit_adapter.data.mapping import build_mapping
from vit_adapter.images import Mask
from vit_adapter.zoo import DATASETS


def run(path: Path) -> None:
    """One data set."""
    record = json.loads(path.read_text())
    ours = DATASETS[path.stem]
    assert ours.title == record["name"]
    assert list(ours.class_names) == [name.strip() for name in record["classes"]]  # behaviour 109
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
    reader = OFFICIAL[ours.layout]
    assert reader.classes == evaluated.class_names
    assert reader.palette == evaluated.palette
    _check_folders(record, reader)
    _check_forms(record, reader)


def _check_folders(record: dict, reader: OfficialDataset) -> None:
    """Folders, lists and suffixes."""
    assert Path(record["root"]).name in [Path(name).name for name in reader.inner]
    for split, (images, masks) in reader.arrangements[0].items():
        theirs = record[split]
        if isinstance(theirs, str):
            assert "Cityscapes" in theirs  # the validation part of another data set
        elif isinstance(theirs["images"], list):  # both folders are trained on together
            assert theirs["images"][0] == images
            assert (theirs["images"][1], theirs["labels"][1]) == reader.arrangements[0]["val"]
        else:
            assert (theirs["images"], theirs["labels"]) == (images, masks)
            assert theirs.get("list") == reader.lists.get(split)
    assert Path(record["image_suffix"]).stem in (reader.image_ending, ".jpg", ".png")
    assert record["label_suffix"] == reader.forms[0].ending + ".png"


def _check_forms(record: dict, reader: OfficialDataset) -> None:
    """Labels of every mask value: of prepared masks, and of the published ones where we read those too."""
    count, void = record["num_classes"], record["ignore_index"]
    prepared = [*range(count)]
    if record["reduce_zero_label"]:
        prepared = [void, *prepared]
    table = record.get("source_id_to_train_class") or dict(enumerate(prepared))
    assert _labels(reader, reader.forms[0], table) == list(table.values())
    if len(reader.forms) > 1:
        table = record.get("label_id_to_train_id") or record["source_id_to_prepared_id"]
        table = {value: label for value, label in table.items() if value != "-1"}
        assert _labels(reader, reader.forms[1], table) == list(table.values())


def _labels(reader: OfficialDataset, form: MaskForm, values: Iterable[str | int]) -> list[int]:
    entries = [ClassEntry(name, id_) for name, id_ in zip(reader.classes, form.ids)]
    mapping = build_mapping(
        DataConfig(),
        entries,
        (),
        where="record",
        void_id=form.void_id,
        ignored=form.ignored,
        label_map=form.label_map,
        reduce_zero=form.reduce_zero,
    )
    return mapping.encode(Mask(np.array([[int(value) for value in values]], np.uint8)), "record")[0].tolist()


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
