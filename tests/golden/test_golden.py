"""Every record of every root against our code.

A record's test bears its file's name. New files, and new roots in VIT_ADAPTER_GOLDEN, are picked up by themselves.
"""

import pytest
import torch

from vit_adapter.ops import forms, recorded_forms
from vit_adapter.ops.operator import OPERATORS

from .areas import find_runner
from .roots import FOLDERS, Record, find_records

RECORDS = find_records()
FLOAT32_AREAS = ("01_", "02_", "05_", "10_", "11_")
"""Areas that run a second time, in float32."""
MANIFESTS = ("manifests", "manifests_dinov3")
FACTS = ("__init_", "__rates", "__reference_points", "__rope", "__sizes", "__tta")
"""In names of cases that compute nothing in a type of the caller's choice."""


def parameters(records: list[Record]) -> list:
    """Test parameters."""
    return [pytest.param(record, id=record.id) for record in records]


OPERATOR_AREAS = {
    "attention_masks": ("21_", "22_", "26_"),
    "attention": ("02_", "04_", "09_"),
    "convolution": ("05_", "06_"),
    "deformable_attention": ("01_", "02_", "20_"),
    "doubled_sum": ("02_", "03_", "04_"),
    "extraction": ("02_",),
    "feedforward": ("20_", "21_", "22_"),
    "injection": ("02_",),
    "map_tokens": ("03_", "04_"),
    "mask_matching": ("24_", "26_"),
    "memory_layout": (),  # batch norm's backward pass is wrong in channels-last memory (behaviour 23)
    "normalized": (),  # cases train; compared with torch in tests/ops/test_in_place.py
    "pointwise": ("05_", "06_"),
    "relative_attention": (),  # for grids that no case has; compared with torch in tests/backbones
    "residual": ("02_", "04_"),
    "resized_sum": ("05_", "06_"),
    "upsampled_convolution": ("05_", "06_"),
}
"""Areas that run once more for each form of an operator."""


@pytest.fixture(autouse=True)
def repeatable():
    """The same random numbers whatever ran before."""
    torch.manual_seed(0)


def run(record: Record) -> None:
    find_runner(record)(record.path)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "cases"]))
def test_case(record):
    run(record)


def of_any_type(area: str | tuple[str, ...]) -> list[Record]:
    """Cases of these areas that can be computed in any type; their runners take it."""
    cases = [record for record in RECORDS if record.folder == "cases" and record.area.startswith(area)]
    return [record for record in cases if not any(fact in record.id for fact in FACTS)]


@pytest.mark.parametrize("record", parameters(of_any_type(FLOAT32_AREAS)))
def test_case_in_float32(record):
    find_runner(record)(record.path, torch.float32)  # pyright: ignore


def in_forms(dtype: torch.dtype | None) -> list:
    """Test parameters: every form of every operator that can run here, with the cases of its areas."""
    made = []
    for operator in OPERATORS.values():
        areas = OPERATOR_AREAS[operator.name]
        cases = [record for record in RECORDS if record.folder == "cases" and record.area.startswith(areas)]
        if dtype is not None:
            cases = of_any_type(tuple(area for area in areas if area in FLOAT32_AREAS))
        for form in operator.forms:
            if operator.missing(form) is None:
                made += [
                    pytest.param(record, operator.name, form, id=f"{operator.name}-{form}-{record.id}")
                    for record in cases
                ]
    return made


def run_in_form(record: Record, operator: str, form: str, *dtype: torch.dtype) -> None:
    """A record with one operator in one form; nothing else may have run instead."""
    with forms(**{operator: form}), recorded_forms() as ran:
        find_runner(record)(record.path, *dtype)  # pyright: ignore
    assert set(ran.get(operator, {form: 0})) == {form}


@pytest.mark.parametrize(("record", "operator", "form"), in_forms(None))
def test_case_in_every_form(record, operator, form):
    run_in_form(record, operator, form)


@pytest.mark.parametrize(("record", "operator", "form"), in_forms(torch.float32))
def test_case_in_every_form_in_float32(record, operator, form):
    run_in_form(record, operator, form, torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize(
    "record", parameters([record for record in of_any_type("01_") if "__module_" in record.id])
)
def test_attention_in_half_precision(record, dtype):
    find_runner(record)(record.path, dtype)  # pyright: ignore


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "pipeline"]))
def test_pipeline(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "metrics"]))
def test_metrics(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "optimizer"]))
def test_optimizer(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder in MANIFESTS]))
@pytest.mark.slow
def test_manifest(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "pretraining"]))
def test_pretraining(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "datasets"]))
def test_dataset(record):
    run(record)


@pytest.mark.parametrize("record", parameters([r for r in RECORDS if r.folder == "detection"]))
@pytest.mark.slow
def test_detection(record):
    run(record)


def test_every_folder_has_records():
    """An empty parametrisation would be skipped in silence."""
    assert {record.folder for record in RECORDS} == set(FOLDERS)
