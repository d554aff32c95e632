"""A virtual training process, and what one says of an epoch."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import asdict
from typing import Any

from jobs.report import EpochReport


def report(epoch: int, ended: str | None = None) -> dict[str, Any]:
    found = EpochReport(epoch, 0.5, 0.5, 1, {}, 1.0, ended)  # type: ignore[arg-type]
    return {"say": "report", "report": asdict(found)}


class Virtual:
    """A training process that says what a test has given it to say, some of it when it is told to leave."""

    started: list[Virtual]

    def __init__(self, *, backend: str, threads: int, gpu: float = 0.0) -> None:
        del gpu
        self.told: list[str] = []
        self.says: deque[dict[str, Any]] = deque()
        self.leaving: deque[dict[str, Any]] = deque()
        self.alive, self.how, self.pid = True, (backend, threads), os.getpid()
        Virtual.started.append(self)

    def send(self, message: dict[str, Any]) -> None:
        self.told.append(message["do"] + message.get("trial", ""))
        if message["do"] in {"leave", "drop"}:
            self.says += self.leaving
            self.leaving.clear()

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        assert timeout is not None
        message = self.says.popleft() if self.says else None
        self.alive = message is None or message["say"] != "died"
        return message

    def close(self, patience: float = 1.0) -> None:
        del patience
        self.alive = False
