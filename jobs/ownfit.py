"""A hypermodel's own ``fit``, an epoch at a time.

It runs in a thread that waits at the end of every epoch until the trial goes on, so that a trial that trains
itself is scheduled, saved and stopped as any other.  One that takes no callbacks runs to its end at once.

A trial that is gone on with calls the ``fit`` again, which may not know that some epochs are behind it.
Where Keras's own ``fit`` is the first to train, it is begun at the right epoch; a loop that takes
``initial_epoch`` begins there itself.  Any other shows by its first epoch's number, or by a call of Keras's
that is over before that epoch, that it begins at its beginning: it does so again with the trial's first
weights, and trains what was told before a second time without telling it.  Random numbers are seeded anew for
each epoch, so that it comes to the same.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from functools import partial
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


class _BegunAgain(BaseException):
    """Unwinds a fit that trains its first epoch on weights that are further."""


class OwnFit:
    """A ``fit`` under way, or about to begin.

    Attributes:
        over: there is no next epoch.
    """

    def __init__(
        self,
        hypermodel: Hypermodel,
        hp: Any,
        model: Any,
        chosen: TrainParams,
        seed: int,
        rewind: Callable[[], None],
    ) -> None:
        """Nothing runs before the first epoch is asked for.

        ``rewind`` gives the network the weights and the optimizer's state that the trial began with.
        """
        self._hypermodel, self._hp, self._model, self._chosen = hypermodel, hp, model, chosen
        self._seed, self._rewind = seed, rewind
        self._told: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._go = threading.Semaphore(0)
        self._stopped = self.over = False
        self._signed = threading.Event()  # Keras's callbacks have been called since that was last looked at
        self._thread: threading.Thread | None = None
        self._keras_fit = model.fit
        self._known = self._passed = 0  # epochs told before the fit was called, and that it has behind it
        self._unsure = False  # whether it has yet to show where it begins

    def epoch(self, done: int, windows: Callable[[], tuple[_Arrays, _Arrays]], ask: Ask) -> float:
        """Run until the end of the next epoch.

        Args:
            done: epochs so far.
            windows: gives ``x``, ``y`` and what each window counts (None: the same), and ``x`` and ``y`` of
                validation; called by the first epoch.
            ask: called now and then, as one alive if the fit has called a callback since, or takes none.

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
            self._known, self._passed, self._unsure = done, done, done > 0
            self._thread = threading.Thread(target=self._run, args=windows(), daemon=True)
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
                ask(alive=self._signed.is_set() or not self._hypermodel.tells_epochs)
                self._signed.clear()

    def _run(self, windows: _Arrays, validation: _Arrays) -> None:
        own = _Teller(self)
        self._model.fit = partial(self._fit_of_keras, own)
        try:
            try:
                self._call(own, windows, validation)
            except _BegunAgain:
                self._rewind()
                self._passed = 0
                self._call(own, windows, validation)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the epoch
            self._told.put(("raised", error))
        else:
            self._told.put(("end", own.loss))

    def _call(self, own: _Teller, windows: _Arrays, validation: _Arrays) -> None:
        """Call the user's ``fit``, with what KerasTuner's tuners would give it."""
        x, y, counts = windows
        options = {"validation_data": validation, "callbacks": [own]} | self._stretch()
        options |= {} if counts is None else {"sample_weight": counts}
        keras.utils.set_random_seed(self._seed)
        self._hypermodel.fit(self._hp, self._model, x, y, **options)

    def _stretch(self) -> dict[str, int]:
        return {"epochs": self._chosen.max_epochs, "initial_epoch": self._passed, "verbose": 0}

    def draw(self) -> None:
        """Seed what the next epoch draws."""
        keras.utils.set_random_seed((self._seed + self._passed) % 2**31)

    def _fit_of_keras(self, own: _Teller, *args: Any, **given: Any) -> Any:
        """Keras's ``fit``, as the user's calls it.

        Raises:
            _BegunAgain: all that it would train lies behind the trial, so that others may too.
        """
        if not self._hypermodel.tells_epochs:
            given["callbacks"] = [*(given.get("callbacks") or []), own]
        first = args[0] if args else given.get("x")
        sized = {"batch_size": self._chosen.batch_size} if isinstance(first, np.ndarray) else {}
        whole = sized | self._stretch() | {"initial_epoch": 0} | given
        if self._unsure:
            self._unsure = False
            if whole["initial_epoch"] < self._passed:
                whole["initial_epoch"] += self._passed
            if whole["initial_epoch"] >= whole["epochs"]:
                raise _BegunAgain
        return self._keras_fit(*args, **whole)

    def at_batch(self) -> None:
        """Give a sign of life; leave, if that was asked for.

        Raises:
            _Stopped: it was.
        """
        self._signed.set()
        if self._stopped:
            raise _Stopped

    def at_epoch(self, epoch: int, loss: float) -> None:
        """Tell of an epoch, by its number from 0, and wait for the next, if the fit is one that tells.

        Raises:
            _Stopped: there is none.
            _BegunAgain: it lies behind the trial.
        """
        self.at_batch()
        if not self._hypermodel.tells_epochs:
            return
        if self._unsure:
            self._unsure = False
            if not self._hypermodel.goes_on or epoch < self._passed:
                raise _BegunAgain
        self._passed += 1
        if self._passed > self._known:
            self._told.put(("epoch", loss))
            self._go.acquire()
            self.at_batch()
        self.draw()

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

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See ``OwnFit.draw``; what was drawn before the first epoch is the same, wherever a fit begins."""
        del epoch, logs
        self._fit.draw()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See ``OwnFit.at_batch``."""
        del batch, logs
        self._fit.at_batch()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """See ``OwnFit.at_batch``."""
        del batch, logs
        self._fit.at_batch()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See ``OwnFit.at_epoch``."""
        self.loss = float((logs or {}).get("loss", math.nan))
        self._fit.at_epoch(epoch, self.loss)
