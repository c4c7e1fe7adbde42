"""Records of ``datasets/``: class names, colours and label rules of the published data sets."""

import json
from collections.abc import Callable
from pathlib import Path

from vit_adapter.zoo import DATASETS


def run(path: Path) -> None:
    """Names are trimmed (FACTS 39), everything else is as recorded."""
    facts = json.loads(path.read_text())
    dataset = DATASETS[path.stem]
    assert list(dataset.class_names) == [" ".join(name.split()) for name in facts["classes"]]
    assert [list(colour) for colour in dataset.palette] == facts["palette"]
    assert dataset.reduce_zero == facts["reduce_zero_label"]
    for part in ("train", "val"):
        count = facts.get(f"{part}_images")
        if isinstance(count, int):
            assert getattr(dataset, f"{part}_images") == count


RUNNERS: dict[str, Callable[[Path], None]] = {"": run}
