"""A thread that saves what was collected about twice a second, and waits for a storage that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cluster.errors import ClusterError
from cluster.lease import LeaseLostError
from cluster.patience import SWEEP_SECONDS, retrying

_GROUP_SECONDS = 0.5
_PATIENCE = SWEEP_SECONDS  # that a storage may be away; what is written meanwhile waits in memory


class Flusher:
    """Calls ``save`` from its thread until it is closed.

    Attributes:
        failure: why nothing more can be saved; None as long as it can be.
    """

    def __init__(self, save: Callable[[], None]) -> None:
        self._save, self._one_at_a_time = save, threading.Lock()
        self.failure: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Save now; wait where the storage is away.

        Raises:
            ClusterError: it stays away, or the sweep is no longer this process's.
        """
        retrying(_PATIENCE, _passes)(self._attempt)

    def close(self) -> None:
        """End the thread and save what is left, without patience where that was in vain already.

        Raises:
            ClusterError: as ``flush``.
        """
        self._closing.set()
        self._thread.join()
        if self.failure is None:
            self.flush()
        elif not isinstance(self.failure, LeaseLostError):
            self._attempt()

    def _attempt(self) -> None:
        with self._one_at_a_time:
            self._save()

    def _run(self) -> None:
        try:
            while not self._closing.wait(_GROUP_SECONDS):
                retrying(_PATIENCE, _passes, closing=self._closing)(self._attempt)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sweep is told
            if not (self._closing.is_set() and _passes(error)):  # closing tries again
                self.failure = error


def _passes(error: BaseException) -> bool:
    """Whether it may go by itself: a storage that is away comes back, a disk that fails does not."""
    return isinstance(error, ClusterError) and not isinstance(error, LeaseLostError)
