"""Which images a step sees."""

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vit_adapter.training.loader import make_loader
from vit_adapter.training.randomness import position_seed
from vit_adapter.training.sampler import SampleOrder, StepSampler


@given(
    length=st.integers(1, 40), start=st.integers(0, 200), count=st.integers(1, 60), seed=st.integers(0, 2**40)
)
def test_order_is_a_function_of_the_position(length, start, count, seed):
    whole = SampleOrder(length, seed).keys(0, start + count)
    assert SampleOrder(length, seed).keys(start, count) == whole[start:]


@given(length=st.integers(1, 30), passes=st.integers(1, 4))
def test_every_pass_has_every_image_once(length, passes):
    keys = SampleOrder(length, 0).keys(0, length * passes)
    assert Counter(keys) == Counter((epoch, index) for epoch in range(passes) for index in range(length))


@given(
    length=st.integers(1, 20),
    batch=st.integers(1, 3),
    accumulate=st.integers(1, 3),
    processes=st.integers(1, 4),
    step=st.integers(0, 10),
)
def test_a_step_is_the_same_however_it_is_split(length, batch, accumulate, processes, step):
    order = SampleOrder(length, 7)
    size = batch * accumulate * processes
    parts = [
        StepSampler(order, batch, accumulate, 0, 11, rank, processes).step_keys(step)
        for rank in range(processes)
    ]
    assert Counter(key for part in parts for key in part) == Counter(order.keys(step * size, size))
    joint = StepSampler(order, batch * processes, accumulate, 0, 11).step_keys(step)
    passes = [
        [key for part in parts for key in part[index * batch : (index + 1) * batch]]
        for index in range(accumulate)
    ]
    assert [key for keys in passes for key in keys] == joint


def test_sampler_begins_at_any_step():
    order = SampleOrder(10, 0)
    whole = list(StepSampler(order, 2, 2, 0, 12))
    later = StepSampler(order, 2, 2, 5, 12)
    assert list(later) == whole[5:]
    assert len(later) == 7


def test_passes_and_seeds_have_different_orders():
    order = SampleOrder(50, 0).keys(0, 100)
    first, second = [i for _, i in order[:50]], [i for _, i in order[50:]]
    assert first != second
    assert first != [i for _, i in SampleOrder(50, 1).keys(0, 50)]
    assert first != list(range(50))


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="length=0"):
        SampleOrder(0, 0)


def test_neighbouring_positions_have_unrelated_seeds():
    seeds = {
        position_seed(0, step, part, rank) for step in range(20) for part in range(4) for rank in range(4)
    }
    assert len(seeds) == 20 * 4 * 4


def test_no_more_workers_than_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    sampler = StepSampler(SampleOrder(4, 0), 2, 1, 0, 1)
    assert [make_loader([], sampler, workers).num_workers for workers in (0, 1, 8)] == [0, 1, 2]  # pyright: ignore
