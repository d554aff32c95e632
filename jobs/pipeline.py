"""Several sources read at a time by threads, in the order in which they would come one after the other."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
Source = Callable[[], Iterator[T]]


class _Lane(Generic[T]):
    """What one source has given and nobody has taken yet; never more than ``ahead`` items."""

    def __init__(self, source: Source[T], ahead: int) -> None:
        self._source = source
        self._room = threading.Semaphore(ahead)
        self._items: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        self._left = False

    def read(self) -> None:
        """Read the source to its end; to be called in a thread."""
        try:
            for item in self._source():
                self._room.acquire()
                if self._left:
                    return
                self._items.put((item, None))
            self._items.put((None, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            self._items.put((None, error))

    def take(self) -> Iterator[T]:
        """The items, as they come."""
        while True:
            item, error = self._items.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
            self._room.release()

    def leave(self) -> None:
        """Let the reading thread end, for nobody takes any more."""
        self._left = True
        self._room.release()


def in_order(sources: Iterable[Source[T]], *, workers: int, ahead: int) -> Generator[T, None, None]:
    """All that the sources give, one source after the other, read by so many threads.

    At most ``workers + 1`` sources are open, each with at most ``ahead`` items that wait (and one that is
    being made), so what is in memory does not depend on how many sources there are or how long they are.

    Raises:
        What a source raises, where its next item would have been; the others are left.
    """
    lanes: deque[_Lane[T]] = deque()
    with ThreadPoolExecutor(workers, "read") as threads:
        try:
            for source in sources:
                lanes.append(_Lane(source, ahead))
                threads.submit(lanes[-1].read)
                if len(lanes) > workers:
                    yield from lanes[0].take()
                    lanes.popleft()
            while lanes:
                yield from lanes[0].take()
                lanes.popleft()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for lane in lanes:
                lane.leave()
