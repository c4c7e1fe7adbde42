"""Reading ahead and writing behind: order, errors, and no more than one image each way."""

import threading

import pytest

from vit_adapter.api.overlapping import WriteBehind, read_ahead


def test_one_item_is_read_ahead_and_none_further():
    read: list[int] = []
    seen = threading.Semaphore(0)

    def reading(item):
        read.append(item)
        seen.release()
        return item * 10

    for position, (item, content) in enumerate(read_ahead(range(5), reading)):
        assert content() == item * 10
        if position < 4:
            for _ in range(2 if position == 0 else 1):
                assert seen.acquire(timeout=10)
        assert read == list(range(min(position + 2, 5)))


def test_what_reading_raised_is_raised_for_its_own_item():
    def reading(item):
        if item == 1:
            raise ValueError(item)
        return item

    found = []
    for item, content in read_ahead(range(3), reading):
        try:
            found.append(content())
        except ValueError as error:
            found.append(f"{item}: {error}")
    assert found == [0, "1: 1", 2]


def test_reading_stops_with_its_user():
    read = []
    for _item, content in read_ahead(range(100), read.append):
        content()
        break
    assert len(read) <= 2


def test_results_settle_in_order_and_an_interruption_lets_the_last_one_end():
    settled, gate = [], threading.Event()

    def fail():
        raise OSError("full")

    def interrupted():
        with WriteBehind(lambda *what: settled.append(what)) as writing:
            writing.submit("a", lambda: None)
            writing.submit("b", fail)
            assert settled == [("a", None)]
            writing.submit("c", gate.wait)
            assert settled[1][0] == "b"
            assert str(settled[1][1]) == "full"
            gate.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert settled[2][0] == "c"
    assert settled[2][1] is None
