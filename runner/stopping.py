"""A request to stop, left in the sweep's folder by ``recur stop``, from wherever the storage is seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.conductor import Conductor

_LOOK_SECONDS = 2.0  # between two looks at an object store; a local file is looked for at every call


class StopRequest:
    """Looks for the request and passes it on.

    Attributes:
        heard: whether there was one.
    """

    def __init__(
        self, folder: SweepFolder, check: Callable[[], None] = lambda: None, *, heir: bool = False
    ) -> None:
        """For the process that holds the sweep; there may be a request since it does.

        ``check`` raises a ClusterError when it holds the sweep no longer.  After an ``heir`` that is cut off
        comes another, by itself.
        """
        self._folder, self._check, self._heir = folder.impatient(), check, heir
        self._looked, self._cut_off = 0.0, False
        self._conductor: Conductor | None = None
        self.heard = False

    def tell(self, conductor: Conductor) -> None:
        """Whom to tell."""
        self._conductor = conductor

    def look(self) -> None:
        """Call about twice a second; any thread may."""
        now = time.monotonic()
        if self._conductor is None or (
            self._folder.storage.local is None and now - self._looked < _LOOK_SECONDS
        ):
            return
        self._looked = now
        with suppress(ClusterError):  # the next look may see it
            if self._folder.exists(self._folder.STOP):
                self._pass_on(self._conductor)

    def _pass_on(self, conductor: Conductor) -> None:
        asked: Any = self._folder.read_json(self._folder.STOP)
        self.heard = True
        if isinstance(asked, dict) and asked.get("now"):
            conductor.stop()
        else:
            conductor.drain()

    def cut_off(self) -> None:
        """A signal ends this run before its time."""
        self._cut_off = True

    def close(self) -> None:
        """Take the request away, unless it is another's now; without a word where the storage is away.

        Whoever runs the sweep next forgets it, but for the next heir, which has to hear of it too.
        """
        if self._heir and self._cut_off:
            return
        with suppress(ClusterError):
            self._check()
            self._folder.delete(self._folder.STOP)
