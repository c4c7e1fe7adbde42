"""How long a run will take: steps and validations timed apart, told once, and never on a bar that is not there."""

import io

import pytest
from rich.console import Console

from vit_adapter.training.progress import TrainingProgress
from vit_adapter.training.time_left import TimeLeft, duration
from vit_adapter.training.validation_plan import ValidationPlan

PLAN = ValidationPlan(steps=100, every=50, images=40, sample=10, image_cost=0.5)


def without_validation(steps):
    return ValidationPlan(steps, steps, 0, None, None)


def test_a_validation_changes_the_steps_speed_by_nothing():
    left = TimeLeft(PLAN, 0)
    left.step_done(9.0)  # the first step warms up
    assert left.seconds_left() is None
    for _ in range(49):
        left.step_done(1.0)
    before = left.seconds_left()
    assert before == pytest.approx(50 + 0.5 * (10 + 40))  # the one behind this step is taken for done
    left.validation_done(10, 5.0)  # as estimated
    left.step_done(1.0)
    assert left.seconds_left() == pytest.approx(before - 1)  # pyright: ignore


def test_measured_validation_takes_the_place_of_the_estimate():
    left = TimeLeft(PLAN, 0)
    for _ in range(50):
        left.step_done(1.0)
    left.validation_done(10, 20.0)
    assert left.seconds_left() == pytest.approx(50 + 2.0 * 50)


def test_the_whole_is_told_with_validation_named():
    left = TimeLeft(ValidationPlan(300, 150, 30, 10, 0.6), 0)
    left.step_done(3.0)
    left.step_done(2.0)
    assert left.estimate() == ["about 11 minutes for 300 steps, of which validation 60 seconds"]


def test_a_long_run_gets_a_word_of_advice():
    left = TimeLeft(without_validation(1500), 0)
    left.step_done(11.0)
    left.step_done(11.0)
    (line,) = left.estimate()
    assert line.startswith("about 4.6 hours for 1500 steps; shorter: fewer training.steps")


def test_a_resumed_run_counts_what_is_to_do():
    left = TimeLeft(PLAN, 60)
    left.step_done(1.0)
    left.step_done(1.0)
    assert left.estimate() == ["about 65 seconds for 40 steps, of which validation 25 seconds"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (80, "80 seconds"),
        (540, "9 minutes"),
        (7200, "2.0 hours"),
        (200000, "2.3 days"),
    ],
)
def test_durations_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def steps_on(console, quiet, count=100, seconds=3.0):
    """What a run of steps of three seconds prints."""
    now = [0.0]
    bar = TrainingProgress(console, without_validation(count), None, quiet, clock=lambda: now[0])
    bar.begin(0)
    for step in range(count):
        now[0] += seconds
        bar.step_done(step + 1, {"loss": 1.5}, None)
    bar.close()


def test_without_a_terminal_a_few_plain_lines():
    output = io.StringIO()
    steps_on(Console(file=output, width=100), quiet=False)
    text = output.getvalue()
    assert text.count("for 100 steps") == 1
    assert "about 5 minutes for 100 steps\n" in text
    assert "step 40/100  loss 1.5000  3 minutes left\n" in text
    assert len(text.splitlines()) <= 21
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_a_short_run_says_nothing_on_the_way():
    output = io.StringIO()
    steps_on(Console(file=output, width=100), quiet=False, seconds=0.01)
    assert output.getvalue() == ""


def test_quiet_is_quiet():
    for terminal in (False, True):
        output = io.StringIO()
        steps_on(Console(file=output, width=100, force_terminal=terminal), quiet=True)
        assert output.getvalue() == ""


def test_the_bar_of_a_terminal_says_what_is_left():
    output = io.StringIO()
    steps_on(Console(file=output, width=140, force_terminal=True), quiet=False)
    assert "left" in output.getvalue()
    assert "100/100" in output.getvalue()
