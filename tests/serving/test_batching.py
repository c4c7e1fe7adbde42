"""Which images go through a model together."""

import asyncio

import numpy as np
import pytest

from vit_adapter.api.predictor import PredictionSettings
from vit_adapter.config import InferenceConfig
from vit_adapter.serving.batching import Batcher

WISH, OTHER = (
    PredictionSettings("semantic", InferenceConfig()),
    PredictionSettings("semantic", InferenceConfig(crop=64)),
)
SMALL, LARGE = (2, 2, 3), (4, 4, 3)


def image(value: int, shape=SMALL) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def run(segment, jobs, most=4, wait=0.01):
    """Results of jobs (image, wish) that arrive at once, errors among them."""

    async def together():
        batcher = Batcher(segment, most, wait)
        work = asyncio.create_task(batcher.run())
        found = await asyncio.gather(*(batcher.result(*job) for job in jobs), return_exceptions=True)
        work.cancel()
        return found

    return asyncio.run(together())


def test_images_of_one_size_and_wish_go_together_in_the_order_of_their_arrival():
    calls = []

    def segment(images, wish):
        calls.append([int(one.flat[0]) for one in images])
        return [int(one.flat[0]) * 10 for one in images]

    jobs = [(image(1), WISH), (image(2, LARGE), WISH), (image(3), WISH), (image(4), OTHER), (image(5), WISH)]
    jobs += [(image(value), WISH) for value in (6, 7)]
    assert run(segment, jobs) == [10, 20, 30, 40, 50, 60, 70]
    assert calls == [[1, 3, 5, 6], [2], [4], [7]]


def test_what_is_alone_does_not_wait_for_ever():
    assert run(lambda images, wish: [len(images)], [(image(1), WISH)], wait=0.05) == [1]


def test_an_image_that_fails_fails_alone():
    def segment(images, wish):
        if any(one.flat[0] == 2 for one in images):
            raise MemoryError("too much")
        return [int(one.flat[0]) for one in images]

    found = run(segment, [(image(value), WISH) for value in (1, 2, 3)])
    assert (found[0], found[2]) == (1, 3)
    assert isinstance(found[1], MemoryError)


def test_who_has_gone_is_not_worked_for():
    calls = []

    async def gone():
        batcher = Batcher(lambda images, wish: calls.append(len(images)) or [0] * len(images), 4, 0.05)
        work = asyncio.create_task(batcher.run())
        first, second = (asyncio.create_task(batcher.result(image(1), WISH)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
        work.cancel()

    asyncio.run(gone())
    assert calls == [1]
