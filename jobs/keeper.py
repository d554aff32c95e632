"""What of a trial is saved, and when: no more than a decision or a crash may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from typing import Any

from jobs.report import Hooks
from jobs.trainstate import TrainState

_SECONDS = 30.0  # of work that a killed machine may cost a trial between its milestones


class Keeper:
    """Saves a trial's state to go on from, and its best model as long as it may become the sweep's.

    Attributes:
        state: after the last epoch; None before the first.
    """

    def __init__(
        self, hooks: Hooks, make_model: Callable[[Any], bytes], to_beat: float | None, *, pauses: bool
    ) -> None:
        """Save through ``hooks`` what ``make_model`` makes of the best weights; see ``Task`` for the rest."""
        self._hooks, self._make_model = hooks, make_model
        self._to_beat, self._pauses = to_beat, pauses
        self._saved, self._saved_best = 0, 0  # the epochs of the state and of the model on storage
        self._saved_at = time.monotonic()
        self.state: TrainState | None = None

    def restore(self, state: TrainState, models: Container[int]) -> None:
        """Go on from a state that was saved; ``models`` are the epochs whose models are on storage."""
        self.state, best = state, state.progress.best_epoch
        self._saved, self._saved_best = state.progress.epoch, best if best in models else 0

    def before(self, *, milestone: bool, ended: bool) -> None:
        """Save what must be on storage when an epoch's report is heard.

        What ends needs no state any more, and a model only if it may be the best; what may pause goes on
        wherever there is room, perhaps at once.
        """
        if ended and self._promising():
            self._save(None, wait=True)
        elif milestone and not ended and (self._pauses or self._promising()):
            self.save(wait=True)

    def after(self, *, milestone: bool) -> None:
        """Save, beside the training, what a crash would cost too much of, now that the trial goes on."""
        if milestone or time.monotonic() - self._saved_at > _SECONDS:
            self.save(wait=False)

    def save(self, *, wait: bool) -> None:
        """Save the state as it was after the last epoch, if there was one, unless that is done already."""
        if self.state is not None and self._saved != self.state.progress.epoch:
            self._saved = self.state.progress.epoch
            self._save(self.state.to_bytes, wait=wait)

    def _promising(self) -> bool:
        """Whether the best epoch's model is not on storage yet and may be the best of the sweep."""
        if self.state is None or self.state.progress.best_epoch == self._saved_best:
            return False
        return self._to_beat is None or self.state.progress.best_score <= self._to_beat

    def _save(self, state: Callable[[], bytes] | None, *, wait: bool) -> None:
        assert self.state is not None, "there is something to save"  # noqa: S101
        best, model = self.state.progress.best_epoch, None
        if self._promising():
            model, self._saved_best = self._make_model(self.state.best[0]), best
        self._hooks.save(state=state, model=model, epoch=best, wait=wait)
        self._saved_at = time.monotonic()
