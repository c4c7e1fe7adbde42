"""Batches step by step, whatever happens to the processes that prepare them."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from vit_adapter.config import InputError

from .loader import NO_SHARED_MEMORY, ImageSource, MicroBatch, make_loader, name_of, usable_workers
from .sampler import StepSampler
from .shared_memory import fitting_workers
from .signals import StopAsked, StopRequest

POLL_SECONDS = 0.5
"""Seconds between checks of signals and workers while waiting for a batch."""

SECONDS_OF_DYING = 5.0

PATIENCE_SECONDS = 60.0
"""Seconds of waiting for one batch before a line says which images it waits for."""

STOP = "stop"
"""Key of the batch that stands for "a signal came while waiting for data"."""


class StepBatches:
    """The batches of all steps that are still to be done, as an iterable.

    A worker that is killed, or that cannot pass a batch on because shared memory is full, never leaves the run
    waiting: it goes on from the very next step with fewer workers or none, and says so. What a step sees is a
    function of the step alone, so nothing else changes. A worker that crashes by itself would take the main process
    along, so it ends the run with one line. A problem that all processes of a run must know of comes as a batch
    (``[{"error": message}]``), and so does a signal that came while a batch was waited for (``[{"stop": True}]``).

    Args:
        source: The training set.
        sampler: Steps to read.
        workers: Worker processes at most.
        pin: Page-locked memory, for CUDA.
        request: What signals asked of this process.
        say: Takes lines for the user.
        local_processes: Processes of the run on this machine, which share its shared memory.
    """

    def __init__(
        self,
        source: ImageSource,
        sampler: StepSampler,
        workers: int,
        pin: bool,
        request: StopRequest,
        say: Callable[[str], None],
        local_processes: int = 1,
    ) -> None:
        self.source, self.sampler, self.pin = source, sampler, pin
        self.workers = usable_workers(workers)
        self.request, self.say, self.local_processes = request, say, local_processes
        self._processes: list[Any] = []

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[list[MicroBatch]]:
        """One list of forward passes for each step."""
        step = self.sampler.first_step
        try:
            with self.request.breaks_off():
                self.workers = fitting_workers(
                    self.source, self.sampler, self.workers, self.local_processes, self.say
                )
            while step < self.sampler.last_step:
                # The loop ends early where workers fail; then ``self.workers`` says how many are to go on.
                for batch in self._from_one_loader(step):
                    if NO_SHARED_MEMORY in batch[0]:
                        self._use(0, step, batch[0][NO_SHARED_MEMORY])
                        break
                    yield batch
                    step += 1
        except StopAsked:
            yield [{STOP: True}]
        except InputError as error:
            yield [{"error": str(error)}]

    def close(self) -> None:
        """End the workers at once, also those that wait for something: they ignore Ctrl-C and SIGTERM."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        self._processes = []

    def _from_one_loader(self, first_step: int) -> Iterator[list[MicroBatch]]:
        """Batches until all are done or a worker fails."""
        before = set(multiprocessing.active_children())
        reading = multiprocessing.RawArray("q", 2 * max(1, self.workers))
        sampler = self.sampler.starting_at(first_step)
        timeout = POLL_SECONDS if self.workers else 0
        iterator, reason, step = None, "", first_step
        try:
            if self.workers:
                _try_locks(self.workers)
            iterator = iter(make_loader(self.source, sampler, self.workers, self.pin, timeout, reading))
        except OSError as error:  # no room for locks, no further process ...
            reason = (error.strerror or str(error)).lower()
        self._processes = [child for child in multiprocessing.active_children() if child not in before]
        if iterator is None:
            self.close()
            self._use(0, step, f"workers cannot be started ({reason})")
            return
        with _deaths_noted_in_peace():
            try:
                while True:
                    try:
                        batch = self._wait(iterator, step, reading)
                    except StopIteration:
                        return
                    if batch is None:
                        return
                    yield batch
                    step += 1
            finally:
                self.close()
                del iterator  # shuts down here, while deaths raise nothing

    def _wait(self, iterator: Iterator[Any], step: int, reading: Any) -> list[MicroBatch] | None:
        """The next batch; None: workers failed, and ``self.workers`` says how many are to go on."""
        began, told = time.monotonic(), False
        while True:
            try:
                if not self.workers:
                    with self.request.breaks_off():
                        return next(iterator)
                if self.request.made:
                    raise StopAsked
                return next(iterator)
            except (RuntimeError, OSError, EOFError) as error:
                if str(error).startswith("Caught "):  # raised by the data set in a worker: not ours
                    raise
                # A batch whose worker ended after handing it on cannot be opened; its end is seen a moment later.
                broken = isinstance(error, (ConnectionError, EOFError, FileNotFoundError))
                dead = self._dead(SECONDS_OF_DYING if broken else 0)
                if dead:
                    self._bury(dead, step, reading)
                    return None
                if "Too many open files" in str(error):
                    self._use(0, step, "too many open files (ulimit -n)")
                    return None
                if "timed out" not in str(error) or not self.workers:
                    raise
                # PyTorch looks after its thread that pins memory only where it waits without a limit.
                pinning = getattr(iterator, "_pin_memory_thread", None)
                if pinning is not None and not pinning.is_alive():
                    self._use(0, step, "the thread that copies batches for the device has ended")
                    return None
            if not told and time.monotonic() - began > PATIENCE_SECONDS:
                told = True
                names = self._named([index for _, index in self.sampler.step_keys(step)])
                self.say(f"waiting for the data of step {step} for {PATIENCE_SECONDS:.0f} s: {names}")

    def _dead(self, seconds: float) -> list[Any]:
        """Workers that have ended; waits for the first so long."""
        limit = time.monotonic() + seconds
        while True:
            dead = [process for process in self._processes if process.exitcode is not None]
            if dead or time.monotonic() >= limit:
                return dead
            time.sleep(0.05)

    def _bury(self, dead: list[Any], step: int, reading: Any) -> None:
        """Decide how to go on after the end of workers.

        Raises:
            InputError: A worker ended by itself.
        """
        codes = [process.exitcode for process in dead]
        names = [_ending(code) for code in codes]
        if any(code == -getattr(signal, "SIGBUS", 0) for code in codes):
            self._use(0, step, f"a worker process was {names[0]}, as happens when shared memory is full")
        elif all(code == -signal.SIGKILL for code in codes):
            who = "a worker process was" if len(dead) == 1 else f"{len(dead)} worker processes were"
            reason = f"{who} killed (SIGKILL), as the system does when memory runs out"
            self._use(max(0, self.workers - len(dead)), step, reason)
        else:
            pids = {process.pid for process in dead}
            places = zip(reading[::2], reading[1::2], strict=True)
            indices = [place - 1 for pid, place in places if pid in pids and place]
            what = f" while it read {self._named(indices)}" if indices else ""
            raise InputError(f"step {step}: a worker process {names[0]}{what}")

    def _use(self, workers: int, step: int, reason: str) -> None:
        self.workers = workers
        self.say(f"step {step}: {reason}; continuing with {_count(workers)}, the result is the same")

    def _named(self, indices: list[int]) -> str:
        more = " ..." if len(indices) > 8 else ""
        return ", ".join(name_of(self.source, index) for index in indices[:8]) + more


def _try_locks(workers: int) -> None:
    """Make as many locks as queues will need: PyTorch leaves workers behind where it fails between two of them.

    Raises:
        OSError: There is no room for them in shared memory.
    """
    locks = [multiprocessing.Lock() for _ in range(4 * (workers + 2))]
    del locks


def _count(workers: int) -> str:
    if workers == 0:
        return "no workers: the main process prepares the data itself"
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


@contextmanager
def _deaths_noted_in_peace() -> Iterator[None]:
    """Inside, PyTorch's handler of a child's end raises nothing: it would do so in the middle of a step."""
    number = getattr(signal, "SIGCHLD", None)  # not on Windows
    handler = None if number is None else signal.getsignal(number)
    in_main = threading.current_thread() is threading.main_thread()
    if number is None or not callable(handler) or not in_main:
        yield
        return

    def quietly(received: int, frame: Any) -> None:
        with suppress(RuntimeError):
            handler(received, frame)

    signal.signal(number, quietly)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, handler)
