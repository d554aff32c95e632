"""What grows while others want to see it, sent to storage now and then: an object is only sent whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cluster.errors import ClusterError

LARGEST = 16 << 20  # bytes of it that are sent; what comes later is left out
LEFT_OUT = "\n--- more was printed than is kept ---\n"
_SECONDS = 5.0  # between two times, of what is short
_SPEED = 1 << 20  # bytes a second that sending it again and again may take


@contextmanager
def sent_now_and_then(size: Callable[[], int], send: Callable[[], None]) -> Iterator[None]:
    """In the block, ``send`` is called soon after ``size`` has changed; whatever storage says to it."""
    over, sent = threading.Event(), size()

    def watch() -> None:
        nonlocal sent
        while not over.wait(max(_SECONDS, sent / _SPEED)):
            if (now := min(size(), LARGEST + 1)) != sent:
                with suppress(ClusterError, OSError):
                    send()
                    sent = now

    thread = threading.Thread(target=watch, name="sends now and then", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
