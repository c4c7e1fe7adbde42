"""Files are read and written in threads while the model works on the image between."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Content = TypeVar("Content")


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Content]
) -> Iterator[tuple[Item, Callable[[], Content]]]:
    """Reads the next item while the current one is used; never more than one ahead.

    Args:
        items: What is read, in this order.
        read: Runs in a thread of its own.

    Yields:
        Each item, with a function that waits for what was read of it or raises what ``read`` raised; it gives it once.
    """
    with ThreadPoolExecutor(1, "reading") as pool:
        waiting: deque[tuple[Item, list[Future[Content]]]] = deque()
        try:
            for item in items:
                waiting.append((item, [pool.submit(read, item)]))
                if len(waiting) > 1:
                    first, future = waiting.popleft()
                    yield first, lambda future=future: future.pop().result()
            for item, future in waiting:
                yield item, lambda future=future: future.pop().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class WriteBehind(Generic[Item]):
    """Writes a result while the next one is made; never more than one behind.

    Args:
        settled: Called in the thread that uses this object, with the item and what its work raised (None: nothing), in
            the order in which the work was given.
    """

    def __init__(self, settled: Callable[[Item, Exception | None], None]) -> None:
        self._settled = settled
        self._pool = ThreadPoolExecutor(1, "writing")
        self._pending: tuple[Item, Future[Any]] | None = None

    def submit(self, item: Item, work: Callable[[], Any]) -> None:
        """Settles the work before this one, then begins it."""
        self.settle()
        self._pending = (item, self._pool.submit(work))

    def settle(self) -> None:
        """Waits for the work that is under way."""
        if self._pending is None:
            return
        item, future = self._pending
        error = future.exception()
        self._pending = None
        if error is not None and not isinstance(error, Exception):
            raise error
        self._settled(item, error)

    def __enter__(self) -> "WriteBehind[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        """Waits, also when the block was interrupted: a result that was begun is written whole."""
        try:
            self.settle()
        finally:
            self._pool.shutdown(wait=True)
