"""Noticing that Ray is gone, which Ray Tune does not: it waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

HEARTBEAT = 1.0  # seconds after which a leg without news lets the driver have a say
_SILENCE = 30.0  # seconds without a heartbeat after which Ray counts as gone
_SILENCE_OF_MANY = 120.0  # the same of a cluster of several machines, whose links may be cut for a while


class RayGone(BaseException):
    """There is no Ray any more; no ``Exception``, upon which Tune would tidy up and wait for what is dead."""


class Silence:
    """Notices that Ray is gone: legs that have been heard send at least heartbeats, without it nothing comes.

    Time in which this process itself did not run (Ctrl-Z, a laptop's sleep) does not count.

    Args:
        joined: whether it is a cluster that ran before.
        lives: asks Ray itself, which knows of a dead raylet but not of a head that cannot be reached.
    """

    def __init__(self, lives: Callable[[], bool], *, joined: bool = False) -> None:
        self._lives, self._asked = lives, float("-inf")
        self._longest = _SILENCE_OF_MANY if joined else _SILENCE
        self._silent, self._checked = 0.0, time.monotonic()
        self._heard: set[str] = set()

    def hear(self, leg: str, *, ends: bool) -> None:
        """A leg has said something; ``ends`` if it will say no more."""
        self._silent = 0.0
        (self._heard.discard if ends else self._heard.add)(leg)

    def check(self, *, at_once: bool = False) -> None:
        """Call often; ``at_once`` where there is reason to doubt.

        Raises:
            RayGone: Ray is dead, or no leg of those that run has been heard for too long.
        """
        now = time.monotonic()
        self._silent += min(now - self._checked, HEARTBEAT)
        self._checked = now
        if self._heard and self._silent > self._longest:
            raise RayGone(
                f"Ray has not answered for {self._longest:.0f} s; its raylet or the head node has died"
            )
        if at_once or now - self._asked > HEARTBEAT:
            self._asked = now
            if not self._lives():
                raise RayGone("Ray has died on this machine: its raylet or its head server was killed")
