"""The learning rate over a run."""

import pytest

from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.training.schedule import Schedule, set_learning_rates


def test_decay_is_linear_and_ends_at_the_minimum():
    schedule = Schedule(steps=10, minimum=0.1)
    assert [schedule.rate(1.1, step) for step in (0, 5, 10)] == pytest.approx([1.1, 0.6, 0.1])


def test_warm_up_multiplies_the_decaying_rate():
    schedule = Schedule(steps=100, warmup_steps=10, warmup_ratio=0.1)
    assert schedule.rate(1.0, 0) == pytest.approx(0.1)
    assert schedule.rate(1.0, 5) == pytest.approx(0.95 * (1 - 0.5 * 0.9))
    assert schedule.rate(1.0, 10) == pytest.approx(0.9)


def test_minimum_is_not_scaled_by_a_group():
    schedule = Schedule(steps=10, minimum=0.2)
    groups = [{"base_rate": 1.0, "lr": 0.0}, {"base_rate": 0.5, "lr": 0.0}]
    set_learning_rates(groups, schedule, 5)
    assert [group["lr"] for group in groups] == pytest.approx([0.8 * 0.5 + 0.2, 0.3 * 0.5 + 0.2])


@pytest.mark.parametrize(("steps", "warmup"), [(20, 2), (5, 0), (15_000, 1500), (160_000, 1500)])
def test_default_warm_up_is_a_tenth_of_short_runs(steps, warmup):
    assert Schedule.of(TrainingConfig(steps=steps)).warmup_steps == warmup


def test_warm_up_longer_than_the_run_is_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"1500.*20"):
        Schedule.of(TrainingConfig(steps=20, warmup_steps=1500))


def test_highest_rate_is_the_largest_of_all_steps():
    schedule = Schedule(steps=50, warmup_steps=20, power=2.0)
    assert schedule.highest_rate(1.0) == max(schedule.rate(1.0, step) for step in range(50))
    assert schedule.highest_rate(1.0, 30) == schedule.rate(1.0, 30)


def test_steps_fall_to_a_tenth_at_each_milestone_and_cosine_moves_in_steps():
    falling = Schedule.of(TrainingConfig(steps=10, warmup_steps=0, schedule="steps", milestones=(4, 8)))
    assert [falling.rate(1.0, step) for step in (0, 3, 4, 7, 8)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    options = {"steps": 10, "warmup_steps": 0, "schedule": "cosine", "cosine_every": 5, "cosine_floor": 0.2}
    wave = Schedule.of(TrainingConfig(**options))
    assert [wave.rate(1.0, step) for step in (0, 4, 5, 9)] == pytest.approx([1, 1, 0.6, 0.6])


def test_milestones_of_another_schedule_are_refused():
    with pytest.raises(InputError, match=r"milestones=\[5\].*polynomial"):
        Schedule.of(TrainingConfig(steps=10, milestones=(5,)))
