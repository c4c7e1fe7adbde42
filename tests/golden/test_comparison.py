"""Deliberate errors must fail the comparison."""

import json

import pytest
import torch
from safetensors.torch import save_file

from .case import Case
from .comparison import (
    Tolerance,
    check_close,
    check_exact,
    check_gradients,
    check_labels,
    check_outputs,
    check_share_of_largest,
    tolerance_of,
)


def make_case(folder, tensors, spec=(), dtype=torch.float64):
    path = folder / "case.safetensors"
    full = {
        "area": "01",
        "tolerance": {"output": {"rtol": 1e-6, "atol": 1e-7}, "grad": {"rtol": 1e-5, "atol": 1e-7}},
    }
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        path,
        {"spec": json.dumps(full | dict(spec))},
    )
    return Case(path, dtype)


def test_tolerance_is_element_by_element():
    recorded = torch.tensor([1000.0, 1e-3], dtype=torch.float64)
    tolerance = Tolerance(rtol=1e-6, atol=1e-9)
    check_close(recorded + torch.tensor([9e-4, 0.9e-9]), recorded, tolerance, "x")
    for error in ([1.1e-3, 0.0], [0.0, 3e-9]):
        with pytest.raises(AssertionError, match="1 of 2 values"):
            check_close(recorded + torch.tensor(error, dtype=torch.float64), recorded, tolerance, "x")


def test_tolerance_can_count_from_the_largest_value():
    recorded = torch.tensor([1000.0, 1e-3], dtype=torch.float64)
    check_close(recorded + 9e-4, recorded, Tolerance(1e-6, 0.0, of_largest=True), "x")
    with pytest.raises(AssertionError, match="2 of 2"):
        check_close(recorded + 1.1e-3, recorded, Tolerance(1e-6, 0.0, of_largest=True), "x")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_fail(bad):
    recorded = torch.ones(3)
    ours = torch.tensor([1.0, bad, 1.0])
    with pytest.raises(AssertionError):
        check_close(ours, recorded, Tolerance(1.0, 1.0), "x")
    with pytest.raises(AssertionError):
        check_share_of_largest(ours, recorded, 2e-5, "x")


def test_recorded_nan_and_infinity_are_met_by_the_same():
    recorded = torch.tensor([float("nan"), float("inf"), 1.0])
    check_close(recorded.clone(), recorded, Tolerance(1e-6, 0.0), "x")
    with pytest.raises(AssertionError):
        check_close(torch.tensor([0.0, float("inf"), 1.0]), recorded, Tolerance(1e-6, 0.0), "x")
    with pytest.raises(AssertionError):
        check_close(torch.tensor([float("nan"), -float("inf"), 1.0]), recorded, Tolerance(1e-6, 0.0), "x")


def test_another_shape_fails_even_if_it_broadcasts():
    recorded = torch.ones(2, 3)
    for check in (
        lambda ours: check_close(ours, recorded, Tolerance(1e-6, 0.0), "x"),
        lambda ours: check_share_of_largest(ours, recorded, 2e-5, "x"),
        lambda ours: check_exact(ours, recorded, "x"),
    ):
        with pytest.raises(AssertionError, match="shape"):
            check(torch.ones(1, 3))


def test_exact_means_value_and_floating_type():
    check_exact(torch.tensor([1, 2], dtype=torch.int32), torch.tensor([1, 2]), "x")
    with pytest.raises(AssertionError, match="1 of 2"):
        check_exact(torch.tensor([1, 3]), torch.tensor([1, 2]), "x")
    with pytest.raises(AssertionError, match="type"):
        check_exact(torch.tensor([1.0]).double(), torch.tensor([1.0]), "x")
    with pytest.raises(AssertionError, match="type"):
        check_exact(torch.tensor([1.0]), torch.tensor([1]), "x")


def test_share_of_the_largest_value():
    recorded = torch.tensor([10.0, 0.0])
    check_share_of_largest(recorded + 1.9e-4, recorded, 2e-5, "x")
    with pytest.raises(AssertionError, match="off by"):
        check_share_of_largest(recorded + 2.1e-4, recorded, 2e-5, "x")
    with pytest.raises(AssertionError):
        check_share_of_largest(torch.full((2,), 1e-12), torch.zeros(2), 2e-5, "zero in exact arithmetic")


def test_labels_are_decided_by_the_recorded_margin():
    scores = torch.tensor([[0.5, 0.9], [0.5 + 1e-8, 0.1]])  # [2 classes, 2 pixels]
    recorded = torch.tensor([1, 0])
    check_labels(torch.tensor([0, 0]), recorded, scores.double(), 1e-6, "tie")
    with pytest.raises(AssertionError, match="1 of 1 decided"):
        check_labels(torch.tensor([1, 1]), recorded, scores.double(), 1e-6, "decided")


def test_specification_orders_its_tolerances():
    spec = {
        "tolerance": {"output": {"rtol": 1e-9, "atol": 0, "relative_to": "largest value of the entry"}},
        "tolerance_by_output": {"img": {"rtol": 0, "atol": 1}},
        "tolerance_by_storage": {"float32": 1e-7},
    }
    double, single = torch.zeros(1).double(), torch.zeros(1)
    assert tolerance_of(spec, "output", "img", double) == Tolerance(0.0, 1.0)
    assert tolerance_of(spec, "output", "x", double) == Tolerance(1e-9, 0.0, of_largest=True)
    assert tolerance_of(spec, "output", "x", single).rtol == 1e-7
    assert tolerance_of(spec, "output", "x", single.half()).rtol == 2**-11
    with pytest.raises(KeyError, match="grad"):
        tolerance_of(spec, "grad", "weight", single)


def test_outputs_that_were_not_computed_fail(tmp_path):
    case = make_case(tmp_path, {"output/a": torch.ones(2), "output/after.b": torch.ones(2)})
    check_outputs(case, {"a": torch.ones(2)}, skip=["after.*"])
    with pytest.raises(AssertionError, match=r"not computed.*after.b"):
        check_outputs(case, {"a": torch.ones(2)})


def test_whole_numbers_are_exact_whatever_the_tolerance(tmp_path):
    spec = {
        "tolerance": {"output": {"rtol": 0, "atol": 5}},
        "tolerance_by_output": {"img": {"rtol": 0, "atol": 1}},
    }
    labels, image = torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.uint8)
    case = make_case(tmp_path, {"output/labels": labels, "output/img": image}, spec)
    check_outputs(case, {"labels": labels, "img": image + 1})
    with pytest.raises(AssertionError, match="labels"):
        check_outputs(case, {"labels": labels + 1, "img": image})
    with pytest.raises(AssertionError, match="img"):
        check_outputs(case, {"labels": labels, "img": image + 2})


def test_gradients_are_all_needed_and_none_too_many(tmp_path):
    spec = {"params_without_grad": ["unused"]}
    case = make_case(tmp_path, {"grad/w": torch.ones(2), "grad_input/x": torch.ones(2)}, spec)
    w, x = torch.ones(2), torch.ones(2)
    check_gradients(case, {"w": w}, {"x": x})
    with pytest.raises(AssertionError, match=r"lack.*w"):
        check_gradients(case, {"w": None}, {"x": x})
    with pytest.raises(AssertionError, match=r"none.*unused"):
        check_gradients(case, {"w": w, "unused": w}, {"x": x})
    with pytest.raises(AssertionError, match="gradient of x"):
        check_gradients(case, {"w": w}, {"x": x + 1e-4})


def test_float32_gradients_are_measured_by_the_largest_of_the_case(tmp_path):
    case = make_case(
        tmp_path, {"grad/large": torch.full((1,), 100.0), "grad/small": torch.zeros(1)}, dtype=torch.float32
    )
    check_gradients(case, {"large": torch.full((1,), 100.0), "small": torch.full((1,), 9e-3)}, {})
    with pytest.raises(AssertionError, match="small"):
        check_gradients(case, {"large": torch.full((1,), 100.0), "small": torch.full((1,), 1.1e-2)}, {})


def test_a_case_is_cast_but_what_is_recorded_keeps_its_type(tmp_path):
    tensors = {
        "weight/w": torch.ones(1),
        "input/x": torch.ones(1),
        "input/rand.0": torch.zeros(1),
        "input/rand.10": torch.full((1,), 10.0),
        "input/rand.2": torch.full((1,), 2.0),
        "output/y.0": torch.ones(1),
        "output/n": torch.ones(1, dtype=torch.int64),
    }
    case = make_case(tmp_path, tensors)
    assert case.weights["w"].dtype == case.inputs["x"].dtype == torch.float64
    assert case.stored_inputs["x"].dtype == case.outputs["y.0"].dtype == torch.float32
    assert [float(draw) for draw in case.draws] == [0.0, 2.0, 10.0]
    assert len(case.output_list("y")) == 1
