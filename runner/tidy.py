"""Deletes checkpoints as soon as no decision can need them, and sooner where the disk is limited."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.conductor import Conductor
from runner.results import Trial
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
        self._left: deque[tuple[int, str]] = deque()  # to be deleted when so many records are durable
        self._champion: str | None = None  # the best trial that has ended whose model was seen on storage
        self._looked = -math.inf

    def tidy(self) -> None:
        """Delete what the last decisions left over; now and then, see to the limit."""
        with suppress(ClusterError):  # the storage is away; the next time sees to it
            self._collect()
            while self._left and (self._journal is None or self._left[0][0] <= self._journal.durable):
                self._folder.delete(self._left[0][1])
                self._left.popleft()
            if self._limit is not None and time.monotonic() - self._looked > _LOOK_SECONDS:
                self.make_room(self._limit)
                self._looked = time.monotonic()

    def _collect(self) -> None:
        folder, conductor = self._folder, self._conductor
        written = self._journal.written if self._journal else 0
        if conductor.state.kept and folder.models_of(conductor.state.kept[-1]):
            self._champion = conductor.state.kept[-1]
        while conductor.state.kept:
            self._left.append((written, folder.state(conductor.state.kept.pop())))
        while conductor.state.beaten:
            loser = conductor.state.beaten.pop()
            if loser != self._champion:  # the only model, if the trial that beat it has left none
                self._left.append((written, folder.checkpoint(loser)))

    def make_room(self, limit: float) -> None:
        """Give up what trials would go on from, the worst trial's first, until the rest is within ``limit``.

        A trial that has lost its state and is needed again is trained again, from its beginning and to the
        same result.  Models stay, for any of them may yet be the best.
        """
        sizes, trials = self._folder.checkpoint_sizes(), self._conductor.results.trials
        excess = sum(sizes.values()) - limit
        for trial in sorted((trials[name] for name in sizes if name in trials), key=_worth):
            if excess <= 0:
                return
            state = self._folder.state(trial.id)
            excess -= self._folder.size(state)
            self._folder.delete(state)

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
