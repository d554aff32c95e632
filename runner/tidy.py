"""Deletes checkpoints as soon as no decision can need them, and sooner where the disk is limited."""

from __future__ import annotations

import math
import time

from cluster.storage import SweepFolder
from runner.conductor import Conductor
from runner.results import ENDED, Trial

_LOOK_SECONDS = 5.0  # between two looks at how much the checkpoints take


class Tidy:
    """Keeps a sweep's checkpoints few."""

    def __init__(self, folder: SweepFolder, conductor: Conductor, limit: float | None) -> None:
        """Keep them below ``limit`` bytes; None for any number."""
        self._folder, self._conductor, self._limit = folder, conductor, limit
        self._looked = -math.inf

    def tidy(self) -> None:
        """Delete what the last decisions left over; now and then, see to the limit."""
        folder, conductor = self._folder, self._conductor
        while conductor.kept:
            folder.delete(folder.state(conductor.kept.pop()))
        while conductor.beaten:
            folder.delete(folder.checkpoint(conductor.beaten.pop()))
        if self._limit is not None and time.monotonic() - self._looked > _LOOK_SECONDS:
            self.make_room(self._limit)
            self._looked = time.monotonic()

    def make_room(self, limit: float) -> None:
        """Give up what trials would go on from, the worst trial's first, until the rest is within ``limit``.

        A trial that has lost its state and is needed again is trained again, from its beginning and to the
        same result.  Of one that runs, the model stays, for it will not write it again; the best trial keeps
        everything.
        """
        sizes = self._folder.checkpoint_sizes()
        excess = sum(sizes.values()) - limit
        victims = sorted((t for name in sizes if (t := self._may_go(name))), key=_worth)
        for trial in victims:
            if excess <= 0:
                return
            running = trial.state == "running"
            given_up = self._folder.state(trial.id) if running else self._folder.checkpoint(trial.id)
            excess -= self._folder.size(given_up) if running else sizes[trial.id]
            self._folder.delete(given_up)

    def _may_go(self, name: str) -> Trial | None:
        results = self._conductor.results
        trial, best = results.trials.get(name), results.best()
        return None if trial is None or trial.state in ENDED or (best and trial.id == best.id) else trial

    def finish(self, best: str | None) -> None:
        """Delete what stands there of trials that have ended, but for the ``best``; crashes leave such."""
        for name in self._folder.checkpoint_sizes():
            trial = self._conductor.results.trials.get(name)
            if name != best and (trial is None or trial.state in ENDED):
                self._folder.delete(self._folder.checkpoint(name))


def _worth(trial: Trial) -> tuple[bool, float]:
    """Sorts trials from the one whose checkpoint is needed least."""
    return trial.state == "running", -math.inf if trial.score is None else -trial.score
