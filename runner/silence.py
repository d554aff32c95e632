"""Noticing that Ray is gone, which Ray Tune does not: it waits for ever."""

from __future__ import annotations

import time

from cluster.errors import ClusterError

HEARTBEAT = 1.0  # seconds after which a leg without news lets the driver have a say
_SILENCE = 30.0  # seconds without a heartbeat after which Ray counts as gone


class Silence:
    """Notices that Ray is gone: legs that have been heard send at least heartbeats, without it nothing comes.

    Time in which this process itself did not run (Ctrl-Z, a laptop's sleep) does not count.
    """

    def __init__(self) -> None:
        self._silent, self._checked = 0.0, time.monotonic()
        self._heard: set[str] = set()

    def hear(self, leg: str, *, ends: bool) -> None:
        """A leg has said something; ``ends`` if it will say no more."""
        self._silent = 0.0
        (self._heard.discard if ends else self._heard.add)(leg)

    def check(self) -> None:
        """Call often.

        Raises:
            ClusterError: no leg of those that run has been heard for too long.
        """
        now = time.monotonic()
        self._silent += min(now - self._checked, HEARTBEAT)
        self._checked = now
        if self._heard and self._silent > _SILENCE:
            raise ClusterError(
                f"Ray has not answered for {_SILENCE:.0f} s; its raylet or the head node has died"
            )
