"""When and on what a run validates: a function of counts."""

from dataclasses import replace

import pytest

from vit_adapter.config import InferenceConfig, TrainingConfig
from vit_adapter.config.counting import evenly_spread
from vit_adapter.inference.cost import seen_pixels
from vit_adapter.training.validation_plan import image_cost, plan_validation


def plan(steps, images, cost, limit=None, **settings):
    return plan_validation(TrainingConfig(steps=steps, **settings), images, cost, limit)


def test_cheap_validation_happens_ten_times_on_all_images():
    chosen = plan(2000, 20, 0.5)
    assert (chosen.every, chosen.sample, chosen.count) == (200, None, 10)
    assert chosen.share == pytest.approx(100 / 2100)
    assert chosen.words() == "every 200 steps on all 20 images; about 5 % of the run's time"


def test_dearer_validation_is_seldom():
    chosen = plan(2000, 60, 0.5)  # 30 steps each, 200 may be spent
    assert (chosen.every, chosen.sample, chosen.count) == (334, None, 6)


def test_still_dearer_validation_takes_a_sample_and_all_images_at_the_end():
    chosen = plan(1500, 101, 0.5)
    assert chosen.sample == 19
    assert chosen.count == 10
    assert chosen.measured_images == 10 * 19 + 101
    assert chosen.words() == (
        "every 150 steps on a fixed sample of 19 images, at the end on all 101; about 9 % of the run's time"
    )
    assert len(set(chosen.indices())) == 19
    assert chosen.score_name == "mIoU (sample of 19)"


def test_where_all_images_alone_cost_too_much_the_sample_is_small():
    chosen = plan(300, 101, 0.5)
    assert (chosen.count, chosen.sample) == (2, 7)
    without = 101 * 0.5 / (300 + 101 * 0.5)
    assert chosen.share < without + 0.025


@pytest.mark.parametrize("steps", [1, 7, 300, 2000, 160000])
@pytest.mark.parametrize("images", [1, 6, 101, 2000])
@pytest.mark.parametrize("cost", [0.001, 0.3, 4.0])
def test_validation_costs_about_a_tenth_beside_the_images_at_the_end(steps, images, cost):
    chosen = plan(steps, images, cost)
    assert 1 <= chosen.every <= steps
    spent = chosen.measured_images * cost
    # The smallest that is done: all images once, and four images twice on the way.
    assert spent <= max(steps / 10, images * cost + max(steps / 40, 8 * cost)) * 1.001
    indices = chosen.indices()
    assert indices == sorted(set(indices))
    assert indices[0] >= 0
    assert indices[-1] < images


@pytest.mark.parametrize(
    ("settings", "every", "sample"),
    [
        ({"validate_every": 30}, 30, None),
        ({"validate_every": 30, "validation_sample": 12}, 30, 12),
        ({"validate_every": 30, "validation_sample": 500}, 30, None),
        ({"validation_sample": 10}, 75, 10),
        ({"validation_sample": 101}, 150, None),
    ],
)
def test_what_the_settings_say_is_done(settings, every, sample):
    chosen = plan(300, 101, 0.2, **settings)
    assert (chosen.every, chosen.sample) == (every, sample)


def test_a_limit_counts_as_all_images():
    assert plan(300, 101, 0.5, limit=4).words().startswith("every 30 steps on all 4 images")


def test_an_image_costs_what_the_model_sees_of_it():
    protocol = InferenceConfig(crop=256, stride=170, multiple=None)
    assert seen_pixels((360, 480), protocol) == 6 * 256 * 256
    assert seen_pixels((200, 100), protocol) == 200 * 100
    squares = replace(protocol, small_windows="square")  # of its shorter side, across the longer one
    assert seen_pixels((200, 100), squares) == 2 * 100 * 100
    assert seen_pixels((360, 480), InferenceConfig(mode="whole", multiple=None, flip=True)) == 2 * 360 * 480


def test_images_that_cannot_be_read_have_no_cost():
    assert image_cost([], InferenceConfig(), 256, 4) is None


def test_a_sample_is_spread_evenly():
    assert evenly_spread(100, 4) == [12, 37, 62, 87]
    assert evenly_spread(3, 10) == [0, 1, 2]
