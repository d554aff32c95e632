"""Deletes checkpoints as soon as no decision can need them, and sooner where the disk is limited."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import suppress

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.conductor import Conductor
from runner.trial import Trial
from runner.writer import Journal

_LOOK_SECONDS = 5.0  # between two looks at how much the checkpoints take


class Tidy:
    """Keeps a sweep's checkpoints few."""

    def __init__(
        self, folder: SweepFolder, conductor: Conductor, limit: float | None, journal: Journal | None = None
    ) -> None:
        """Keep them below ``limit`` bytes; None for any number.

        What was decided is carried out as soon as ``journal`` has it durable: after a crash it would be
        decided anew, and need the checkpoints.
        """
        self._folder, self._conductor, self._limit, self._journal = folder, conductor, limit, journal
        self._once = folder.impatient()  # there is always a next time
        self._beside: threading.Thread | None = None
        self._left: deque[tuple[int, str]] = deque()  # to be deleted when so many records are durable
        self._champion: str | None = None  # the best trial that has ended whose model was seen on storage
        self._looked = -math.inf

    def look(self) -> None:
        """Call after each event: tidies, beside the sweep where the storage may be slow or away."""
        if self._folder.storage.local is not None:
            self.tidy()
        elif self._beside is None or not self._beside.is_alive():
            self._beside = threading.Thread(target=self.tidy, name="tidy", daemon=True)
            self._beside.start()

    def tidy(self) -> None:
        """Delete what the last decisions left over; now and then, see to the limit."""
        with suppress(ClusterError):  # the storage is away; the next time sees to it
            self._collect()
            while self._left and (self._journal is None or self._left[0][0] <= self._journal.durable):
                self._once.delete(self._left[0][1])
                self._left.popleft()
            if self._limit is not None and time.monotonic() - self._looked > _LOOK_SECONDS:
                self.make_room(self._limit)
                self._looked = time.monotonic()

    def _collect(self) -> None:
        """Take over what was decided: numbers are read after it, and are never less than its own."""
        state = self._conductor.state
        beaten, kept = list(state.beaten), list(state.kept)  # in this order: whoever beat them is among these
        if kept and self._once.models_of(kept[-1]):
            self._champion = kept[-1]
        del state.beaten[: len(beaten)], state.kept[: len(kept)]
        losers = [
            trial for trial in beaten if trial != self._champion
        ]  # the only model, if its better has none
        paths = [*map(self._folder.state, kept), *map(self._folder.checkpoint, losers)]
        written = self._written()
        self._left.extend((written, path) for path in paths)

    def _written(self) -> int:
        return self._journal.written if self._journal else 0

    def make_room(self, limit: float) -> None:
        """Give up what trials would go on from, the worst trial's first, until the rest is within ``limit``.

        A trial that has lost its state and is needed again is trained again, from its beginning and to the
        same result.  Models stay, for any of them may yet be the best.
        """
        sizes, trials = self._once.checkpoint_sizes(), self._conductor.results.trials
        excess = sum(sizes.values()) - limit
        for trial in sorted((trials[name] for name in sizes if name in trials), key=_worth):
            if excess <= 0:
                return
            state = self._folder.state(trial.id)
            excess -= self._once.size(state)
            self._once.delete(state)

    def finish(self, best: str, epoch: int) -> None:
        """When all is done, leave nothing but the ``best`` trial's model of that epoch."""
        for name in self._folder.checkpoint_sizes():
            if name != best:
                self._folder.delete(self._folder.checkpoint(name))
        for _, older in self._folder.models_of(best):
            if older != epoch:
                self._folder.delete(self._folder.model(best, older))


def _worth(trial: Trial) -> tuple[bool, float]:
    """Sorts trials from the one whose state is needed least."""
    return trial.state == "running", -math.inf if trial.score is None else -trial.score
