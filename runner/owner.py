"""The owner of a warm training process: gives it one leg after another, and replaces it when it is worn out.

Keras and its backend never give back all the memory that a network took, so that a process which trains for
days grows.  A replacement starts ahead, beside the last leg of the process that it is for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster.memory import private_bytes
from runner.process import Message, WorkerProcess
from runner.silence import HEARTBEAT

_STARTING = 120.0  # seconds that a process may take until it begins a leg
_PATIENCE = 4.0  # seconds a leg has to save and leave, from when it was first told; all of a stop has 10
_MOST = 1000  # messages that are handed over at a time


@dataclass(frozen=True)
class Limits:
    """When a process is worn out.

    Attributes:
        legs: that it may serve; None for any number.
        memory: bytes that it may take; None for any.
    """

    legs: int | None = None
    memory: int | None = None


class Owner:
    """Owns one training process at a time."""

    def __init__(self, start: Callable[[], WorkerProcess], limits: Limits) -> None:
        """Start the process."""
        self._start, self._limits = start, limits
        self._worker: WorkerProcess = start()
        self._spare: WorkerProcess | None = None
        self._legs = 0
        self._open = self._owed = self._waits = False
        self._began: float | None = None  # when the leg first gave a sign of life, and when at last
        self._heard = 0.0
        self._told: float | None = None  # when the leg was to leave

    def _begin(self, order: Message) -> None:
        if self._spare is not None or not self._worker.alive:
            self._worker.close()
            self._worker, self._spare, self._legs = self._spare or self._start(), None, 0
        self._legs += 1
        if self._legs == self._limits.legs:
            self._spare = self._start()
        self._order = order
        self._milestones = frozenset(order.get("milestones", ()))
        self._waits = False  # for the answer at a milestone
        self._open = True  # the leg has not ended by itself
        self._owed = True  # the process has yet to say that it is done with it
        self._began, self._heard, self._told = None, time.monotonic(), None
        self._worker.send(order)

    def listen(self) -> list[Message]:
        """All that the leg has said since, or a heartbeat; what waits at a milestone goes on first.

        Nothing follows, in what is returned, on the end of the leg or on a report that waits for an answer.
        """
        if self._waits:
            self._worker.send({"do": "go"})
            self._waits = False
        message = self._worker.receive(HEARTBEAT)
        if message is not None:
            before, self._heard = self._heard, time.monotonic()
            self._began = self._began or self._heard
            if message.get("waits"):  # for a storage that is away, which is no training
                self._began = min(self._began + self._heard - before, self._heard)
        said = [message or {"say": "heartbeat"}]
        while self._note(said[-1]) and len(said) < _MOST and (message := self._worker.receive(0)):
            said.append(message)
        if said[-1]["say"] == "report":
            self._weigh(said[-1]["report"]["epoch"])
        return [*said, *self._overdue()]

    def _note(self, message: Message) -> bool:
        """Take in what the leg says; whether more may follow before anyone has answered."""
        match message["say"]:
            case "report":
                report = message["report"]
                self._waits = report["epoch"] in self._milestones and not report["ended"]
                self._open = not report["ended"]
                return self._open and not self._waits
            case "failed" | "died" | "scored" | "left":
                self._open = self._owed = False
                return False
        return False

    def _overdue(self) -> list[Message]:
        """Kill a process whose leg has taken too long or gives no sign of life, and say so."""
        if not self._open or self._waits:
            return []
        now, timeout = time.monotonic(), self._order.get("timeout")
        patience = self._order.get("heartbeat", math.inf)
        if self._began is None:  # it may still be starting
            patience = max(patience, _STARTING)
        late = timeout is not None and self._began is not None and now - self._began > timeout
        if not (late or now - self._heard > patience):
            return []
        self._worker.close(0)
        self._open = self._owed = False
        why = "trained longer than search.trial_timeout allows" if late else f"hung for {patience:.0f} s"
        return [{"say": "died", "error": why, "timeout": late}]

    def _weigh(self, epoch: int) -> None:
        """Replace a process that has grown too large, even in the middle of a leg, which goes on in the next.

        Its first leg is left to it: what is too large by itself would be so in a fresh process too.
        """
        limit = self._limits.memory
        if limit is None or self._legs < 2 or private_bytes(self._worker.pid) <= limit:
            return
        self._spare = self._spare or self._start()
        if self._open and not self._waits:
            self.change(self._order | {"epoch": epoch})

    def leave(self) -> None:
        """Have an open leg save and leave; that it has is the last thing it says."""
        if self._open:
            self._worker.send({"do": "leave"})  # at a milestone it is an answer, too
            self._waits = False
            self._told = self._told or time.monotonic()

    def change(self, order: Message) -> None:
        """Leave the leg that was decided on and begin the next, in the same process unless it is worn out."""
        self._part()
        self._begin(order)

    def _part(self) -> None:
        """Let an open leg save and leave; one that only goes on giving signs of life has no longer for it."""
        if self._open:
            self._worker.send({"do": "drop" if self._waits else "leave"})
        deadline = (self._told or time.monotonic()) + _PATIENCE
        while self._owed and self._worker.alive:
            message = self._worker.receive(max(0.0, deadline - time.monotonic()))
            if message is None or message["say"] == "died":
                self._worker.close(0)
            elif message["say"] in {"left", "failed"}:
                return

    def close(self) -> None:
        """Let an open leg save and leave, then end the process."""
        if self._open:
            self._worker.send({"do": "leave"})
            if self._waits:
                self._worker.send({"do": "drop"})
            self._open = False
        self._part()
        for worker in (self._worker, self._spare):
            if worker is not None:
                worker.close()
