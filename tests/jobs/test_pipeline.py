"""Sources that are read beside each other: all of it, in order, bounded, and nobody is left waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobs.pipeline import in_order


def count(begin: int, stop: int) -> Callable[[], Iterator[int]]:
    return lambda: iter(range(begin, stop))


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 3])
def test_everything_comes_in_order(workers: int, ahead: int) -> None:
    sources = [count(0, 7), count(7, 7), count(7, 8), count(8, 40), count(40, 41)]

    assert list(in_order(sources, workers=workers, ahead=ahead)) == list(range(41))
    assert list(in_order([], workers=workers, ahead=ahead)) == []


def test_no_more_is_read_ahead_than_was_asked_for() -> None:
    given: list[int] = []

    def source(number: int) -> Callable[[], Iterator[int]]:
        def read() -> Iterator[int]:
            for item in range(50):
                given.append(number)
                yield item

        return read

    items = in_order((source(number) for number in range(9)), workers=2, ahead=3)
    next(items)
    time.sleep(0.2)

    assert set(given) <= {0, 1, 2}
    assert max(given.count(number) for number in range(3)) <= 5  # taken, ahead, and the one being made
    items.close()
    assert not reading()


def reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read")]


def test_an_error_comes_where_its_item_would_have() -> None:
    def fails() -> Iterator[int]:
        yield 3
        raise ValueError("broken")

    items = in_order([count(0, 3), fails, count(4, 9)], workers=3, ahead=2)

    assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert not reading()


def test_sources_are_read_beside_each_other() -> None:
    together = threading.Barrier(2, timeout=10)

    def source() -> Iterator[int]:
        together.wait()
        yield 1

    assert list(in_order([source, source], workers=2, ahead=1)) == [1, 1]
