"""Every record of every root against our code.

A record's test bears its file's name. New files, and new roots in VIT_ADAPTER_GOLDEN, are picked up by themselves.
"""

import pytest
import torch

from .areas import find_runner, missing_part
from .roots import FOLDERS, Record, find_records

RECORDS = find_records()
FLOAT32_AREAS = ("01_", "02_", "05_")
"""Areas that run a second time, in float32."""


def parameters(records: list[Record]) -> list:
    """Test parameters; what is not built yet is a strict expected failure."""
    made = []
    for record in records:
        part = missing_part(record)
        marks = [] if part is None else [pytest.mark.xfail(strict=True, reason=f"not built yet: {part}")]
        made.append(pytest.param(record, id=record.id, marks=marks))
    return made


@pytest.fixture(autouse=True)
def repeatable():
    """The same random numbers whatever ran before."""
    torch.manual_seed(0)


def run(record: Record) -> None:
    find_runner(record)(record.path)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "cases"]))
def test_case(record):
    run(record)


@pytest.mark.parametrize(
    "record", parameters([r for r in RECORDS if r.folder == "cases" and r.area.startswith(FLOAT32_AREAS)])
)
def test_case_in_float32(record):
    find_runner(record)(record.path, torch.float32)  # pyright: ignore (the runners of these areas take a type)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "pipeline"]))
def test_pipeline(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "metrics"]))
def test_metrics(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "optimizer"]))
def test_optimizer(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "manifests"]))
def test_manifest(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "pretraining"]))
def test_pretraining(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "datasets"]))
def test_dataset(record):
    run(record)


def test_every_folder_has_records():
    """An empty parametrisation would be skipped in silence."""
    assert {record.folder for record in RECORDS} == set(FOLDERS)
