"""How forms of operators are chosen, forced and recorded."""

import pytest
import torch

from vit_adapter.config import InputError
from vit_adapter.ops import Operator, describe_forms, forms, recorded_forms
from vit_adapter.ops.operator import OPERATORS


@pytest.fixture
def doubling():
    operator = Operator(
        "doubling",
        lambda values: values * 2,
        lambda values: "sum" if values.numel() > 4 else "reference",
        rule="sum above 4 values",
    )
    operator.form("sum")(lambda values: values + values)
    operator.form("nowhere", missing=lambda: "no such machine")(lambda values: values)
    yield operator
    del OPERATORS["doubling"]


def ran(operator, values):
    with recorded_forms() as record:
        assert torch.equal(operator(values), values * 2)
    return record


def test_the_form_follows_from_the_arguments(doubling):
    assert ran(doubling, torch.ones(3)) == {"doubling": {"reference": 1}}
    assert ran(doubling, torch.ones(5)) == {"doubling": {"sum": 1}}


def test_a_form_is_forced_inside_the_block_only(doubling):
    with forms(doubling="sum"):
        assert ran(doubling, torch.ones(3)) == {"doubling": {"sum": 1}}
        with forms("reference"):
            assert ran(doubling, torch.ones(5)) == {"doubling": {"reference": 1}}
        assert ran(doubling, torch.ones(3)) == {"doubling": {"sum": 1}}
    assert ran(doubling, torch.ones(3)) == {"doubling": {"reference": 1}}


def test_a_block_that_raises_forces_nothing_afterwards(doubling):
    with pytest.raises(RuntimeError), forms(doubling="sum"):
        raise RuntimeError
    assert ran(doubling, torch.ones(3)) == {"doubling": {"reference": 1}}


def test_names_that_are_not_there_and_machines_that_lack_something_are_said(doubling):
    with (
        pytest.raises(InputError, match="'tripling' is no operator"),
        forms(tripling="x"),
    ):
        pass
    with pytest.raises(InputError, match="doubling has no form 'x'; it has reference, sum, nowhere"):
        forms(doubling="x").__enter__()
    with pytest.raises(InputError, match="'nowhere' of doubling cannot run here: no such machine"):
        forms(doubling="nowhere").__enter__()
    with pytest.raises(InputError, match="no operator has a form 'x'"):
        forms("x").__enter__()


def test_records_may_lie_in_each_other(doubling):
    with recorded_forms() as outer:
        doubling(torch.ones(1))
        with recorded_forms() as inner:
            doubling(torch.ones(1))
    assert (outer, inner) == ({"doubling": {"reference": 2}}, {"doubling": {"reference": 1}})


def test_the_description_says_what_cannot_run(doubling):
    lines = describe_forms()
    place = lines.index(("doubling", "sum above 4 values"))
    assert lines[place + 1] == ("", "forms: reference, sum, nowhere (not here: no such machine)")
    with forms(doubling="sum"):
        assert describe_forms()[place + 1][1].endswith("; forced: sum")


def test_forced_and_recorded_under_compilation(doubling):
    compiled = torch.compile(lambda values: doubling(values), backend="eager", fullgraph=True)
    with recorded_forms() as record:
        assert torch.equal(compiled(torch.ones(3)), torch.full((3,), 2.0))
    assert record == {"doubling": {"reference": 1}}
    with forms(doubling="sum"), recorded_forms() as record:
        assert torch.equal(compiled(torch.ones(3)), torch.full((3,), 2.0))
    assert record == {"doubling": {"sum": 1}}
