"""The training process's end of its conversation with its owner, and what a leg says and saves."""

from __future__ import annotations

import json
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import IO, Any

from cluster.storage import SweepFolder
from jobs.report import EpochReport

Message = dict[str, Any]
_SIGN_SECONDS = 5.0  # between two signs of life, at most
_SIGNS = 3  # in the time after which a silent leg is killed


class Line:
    """The owner's end of the conversation: a thread reads, anyone writes."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._sink, self._lock = sink, threading.Lock()
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.leave = threading.Event()
        self._patience = math.inf  # seconds that the leg may be silent
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def _read(self, source: IO[str]) -> None:
        for text in source:
            message = json.loads(text)
            if message["do"] == "leave":
                self.leave.set()
            elif message["do"] == "train":  # here, so that a `leave` right behind it is not forgotten
                self.leave.clear()
                self._patience = message.get("heartbeat", math.inf)
            self.inbox.put(message)
        os._exit(0)  # the owner is gone; whatever runs in the main thread has nobody to report to

    def send(self, message: Message) -> None:
        """Say something; any thread may."""
        with self._lock:
            self._sink.write(json.dumps(message) + "\n")
            self._sink.flush()

    @property
    def between_signs(self) -> float:
        """Seconds from one sign of life to the next."""
        return min(_SIGN_SECONDS, self._patience / _SIGNS)

    def waits(self) -> None:
        """Say that the leg lives and waits for its storage; any thread may."""
        self.send({"say": "heartbeat", "waits": True})

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Give signs of life during what takes long and cannot."""
        done = threading.Event()

        def sign() -> None:
            while not done.wait(self.between_signs):
                self.send({"say": "heartbeat"})

        thread = threading.Thread(target=sign, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class LegHooks:
    """Connects one leg's training with the owner and with the sweep's folder, which a thread writes to."""

    def __init__(self, line: Line, folder: SweepFolder, order: Message, thread: Executor) -> None:
        self._line, self._folder, self._thread = line, folder, thread
        self._trial: str = order["trial"]
        self._milestones = frozenset(order["milestones"])
        self._saving: Future[None] | None = None
        self._told = time.monotonic()

    def report(self, report: EpochReport) -> bool:
        """See ``Hooks``; at a milestone the owner answers."""
        decisive = report.ended is None and report.epoch in self._milestones
        if decisive or report.ended:
            self.flush()
        self._line.send({"say": "report", "report": asdict(report)})
        return not decisive or bool(self._line.inbox.get()["do"] == "go")

    def save(self, *, state: Callable[[], bytes] | None, model: bytes | None, epoch: int, wait: bool) -> None:
        """See ``Hooks``."""
        self.flush()
        self._saving = self._thread.submit(self._write, state, model, epoch)
        if wait:
            self.flush()

    def flush(self) -> None:
        """Wait until all that was saved is on storage.

        Raises:
            ClusterError: the storage does not take it.
        """
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def _write(self, state: Callable[[], bytes] | None, model: bytes | None, epoch: int) -> None:
        folder, trial = self._folder, self._trial
        if model is not None:
            folder.write(folder.model(trial, epoch), model)
        if state is not None:
            folder.write(folder.state(trial), state())
        # The model before it stays: of this one the journal may not know yet.
        older = [found for _, found in folder.models_of(trial) if found != epoch] if model is not None else []
        for each in older[:-1]:
            folder.delete(folder.model(trial, each))

    def alive(self) -> AbstractContextManager[None]:
        """See ``Hooks``."""
        return self._line.alive()

    def interrupted(self, *, alive: bool = True) -> bool:
        """See ``Hooks``; that whoever asks is ``alive`` the owner is told now and then."""
        now = time.monotonic()
        if alive and now - self._told > self._line.between_signs:
            self._told = now
            self._line.send({"say": "heartbeat"})
        return self._line.leave.is_set()
