"""Images of several requests go through the model together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from vit_adapter.api.predictor import PredictionSettings

Segment = Callable[[Sequence[np.ndarray], PredictionSettings], Sequence[Any]]
"""From images of one size and a wish to a result for each of them."""


@dataclass(frozen=True, eq=False)
class _Job:
    image: np.ndarray
    wish: PredictionSettings
    arrived: float
    result: asyncio.Future[Any]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of one kind can go together."""
        return self.image.shape, self.image.dtype, self.wish


class Batcher:
    """Runs a model, one call at a time in a thread of its own, on what waits for it.

    The image that has waited longest is next. All of its size with the same wish go with it, as many as allowed;
    others wait for their turn, so that nothing waits for ever.

    Args:
        segment: The model.
        most: Largest number of images in a call.
        wait: Seconds that an image waits for others while the model is idle.
    """

    def __init__(self, segment: Segment, most: int, wait: float) -> None:
        self._segment, self._most, self._wait = segment, most, wait
        self._jobs: list[_Job] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self.calls, self.images = 0, 0

    async def result(self, image: np.ndarray, wish: PredictionSettings) -> Any:
        """The result of an image; what the model raises for it is raised here."""
        loop = asyncio.get_running_loop()
        job = _Job(image, wish, loop.time(), loop.create_future())
        self._jobs.append(job)
        self._arrived.set()
        try:
            return await job.result
        finally:
            if job in self._jobs:  # cancelled while it waited
                self._jobs.remove(job)

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            while True:
                await self._arrived.wait()
                await self._others()
                if batch := self._next():
                    await self._work(batch)
                if not self._jobs:
                    self._arrived.clear()
        finally:
            self._thread.shutdown(wait=False)

    async def _others(self) -> None:
        """Waits a moment for images that arrive together with the first one."""
        if self._jobs and len(self._jobs) < self._most:
            waited = asyncio.get_running_loop().time() - self._jobs[0].arrived
            if waited < self._wait:
                await asyncio.sleep(self._wait - waited)

    def _next(self) -> list[_Job]:
        if not self._jobs:
            return []
        kind = self._jobs[0].kind
        batch = [job for job in self._jobs if job.kind == kind][: self._most]
        self._jobs = [job for job in self._jobs if job not in batch]
        return batch

    async def _work(self, batch: list[_Job]) -> None:
        self.calls, self.images = self.calls + 1, self.images + len(batch)
        try:
            results = await self._call(batch)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
                return
            for job in batch:  # one image shall not fail the others, and memory may suffice for one
                await self._work([job])
            return
        for job, result in zip(batch, results, strict=True):
            _settle(job, result)

    async def _call(self, batch: list[_Job]) -> Sequence[Any]:
        images = [job.image for job in batch]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._segment, images, batch[0].wish)


def _settle(job: _Job, outcome: Any) -> None:
    if job.result.done():  # its client has gone
        return
    if isinstance(outcome, Exception):
        job.result.set_exception(outcome)
    else:
        job.result.set_result(outcome)
