"""A hypermodel's own ``fit``, an epoch at a time.

It runs in a thread that waits at the end of every epoch until the trial goes on, so that a trial that trains
itself is scheduled, saved and stopped as any other.  One that takes no callbacks runs to its end at once.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from jobs.hypermodel import Hypermodel
from jobs.learner import Ask, NothingMoreError
from jobs.params import TrainParams

_BETWEEN_LOOKS = 0.2  # seconds
_LEAVING = 2.0  # seconds that a fit has to come to the end of a batch

_Arrays = tuple[Any, ...]


class _Stopped(BaseException):
    """Unwinds the user's fit: no handler of its own may take it."""


class OwnFit:
    """A ``fit`` under way, or about to begin.

    Attributes:
        over: there is no next epoch.
    """

    def __init__(self, hypermodel: Hypermodel, hp: Any, model: Any, chosen: TrainParams) -> None:
        """Nothing runs before the first epoch is asked for."""
        self._hypermodel, self._hp, self._model, self._chosen = hypermodel, hp, model, chosen
        self._told: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._go = threading.Semaphore(0)
        self._stopped = self.over = False
        self._thread: threading.Thread | None = None
        self._keras_fit = model.fit

    def epoch(self, done: int, windows: Callable[[], tuple[_Arrays, _Arrays]], ask: Ask) -> float:
        """Run until the end of the next epoch.

        Args:
            done: epochs so far.
            windows: gives ``x``, ``y`` and what each window counts (None: the same), and ``x`` and ``y`` of
                validation; called by the first epoch.
            ask: called now and then; may raise to leave.

        Returns:
            The loss, NaN if the fit told of none.

        Raises:
            NothingMoreError: the fit has ended instead.
            JobError: it raised.
        """
        began = self._thread is not None
        if began:
            self._go.release()
        else:
            self._thread = threading.Thread(target=self._run, args=(done, *windows()), daemon=True)
            self._thread.start()
        kind, found = self._hear(ask)
        if kind == "raised":
            raise found
        self.over = self.over or kind == "end"
        if kind == "end" and self._hypermodel.tells_epochs and (began or done):
            raise NothingMoreError
        return float(found)

    def _hear(self, ask: Ask) -> tuple[str, Any]:
        while True:
            try:
                return self._told.get(timeout=_BETWEEN_LOOKS)
            except queue.Empty:
                ask()

    def _run(self, done: int, windows: _Arrays, validation: _Arrays) -> None:
        x, y, counts = windows
        own = _Teller(self)
        options = {"validation_data": validation, "callbacks": [own]}
        options |= {} if counts is None else {"sample_weight": counts}

        def fit(*args: Any, **given: Any) -> Any:
            if not self._hypermodel.tells_epochs:
                given["callbacks"] = [*(given.get("callbacks") or []), own]
            first = args[0] if args else given.get("x")
            sized = {"batch_size": self._chosen.batch_size} if isinstance(first, np.ndarray) else {}
            usual = {"epochs": self._chosen.max_epochs, "initial_epoch": done, "verbose": 0}
            return self._keras_fit(*args, **(sized | usual | given))

        self._model.fit = fit
        try:
            self._hypermodel.fit(self._hp, self._model, x, y, **options)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the epoch
            self._told.put(("raised", error))
        else:
            self._told.put(("end", own.loss))

    def at_batch(self) -> None:
        """Leave, if that was asked for.

        Raises:
            _Stopped: it was.
        """
        if self._stopped:
            raise _Stopped

    def at_epoch(self, loss: float, *, last: bool) -> None:
        """Tell of an epoch, and wait for the next, if the fit is one that tells.

        Raises:
            _Stopped: there is none.
        """
        self.at_batch()
        if self._hypermodel.tells_epochs:
            self.over = last
            self._told.put(("epoch", loss))
            self._go.acquire()
            self.at_batch()

    def close(self) -> None:
        """Have it leave at the end of its batch; one that trains without Keras's ``fit`` is left alone."""
        self._stopped = True
        self._go.release()
        if self._thread is not None:
            self._thread.join(_LEAVING)


class _Teller(keras.callbacks.Callback):
    """Tells of batches and epochs."""

    def __init__(self, fit: OwnFit) -> None:
        super().__init__()
        self._fit, self.loss = fit, math.nan

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See ``OwnFit.at_batch``."""
        del batch, logs
        self._fit.at_batch()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See ``OwnFit.at_epoch``."""
        self.loss = float((logs or {}).get("loss", math.nan))
        self._fit.at_epoch(self.loss, last=(self.params or {}).get("epochs") == epoch + 1)
