"""The scoring of a sweep's best model on the test part, once, by a worker that is warm already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.publish import Scores

Order = dict[str, Any]
_MOST_LOSSES = 3  # times that its worker may be lost, as a trial's


class Exam:
    """Hands out the order to score when there is something to score, and keeps what came of it."""

    NAME = "test"  # in the place of a trial's

    def __init__(self, order: Callable[[], Order | None]) -> None:
        """``order`` is called once, when training is over; None if there is nothing to score."""
        self._make = order
        self._order: Order | None = None
        self._made = self._taken = False
        self._losses = 0
        self._answer: Order | None = None

    @property
    def over(self) -> bool:
        """Whether there is an answer, or nothing to score; to be asked when training is over."""
        if not self._made:
            self._order, self._made = self._make(), True
            if self._order is None:
                self._answer = {"say": "scored", "scores": None}
        return self._answer is not None

    def take(self) -> Order | None:
        """The order, the first time and when a worker was lost with it."""
        if self.over or self._taken:
            return None
        self._taken = True
        return self._order

    def hear(self, message: Order) -> bool:
        """Take a message of the worker that scores; whether more is to come."""
        if message["say"] == "heartbeat":
            return True
        if message["say"] == "died" and not message.get("exhausted"):
            self._losses += 1
            if self._losses < _MOST_LOSSES:
                self._taken = False
                return False
        self._answer = message
        return False

    def give_up(self) -> None:
        """Wait for no answer any more: the sweep is to stop."""
        self._answer = {"say": "interrupted"}

    @property
    def interrupted(self) -> bool:
        """Whether it was given up."""
        return self._answer == {"say": "interrupted"}

    def scores(self) -> Scores:
        """What was scored; None if there was nothing to, or it could not be done."""
        return self._answer.get("scores") if self._answer else None

    @property
    def error(self) -> str | None:
        """Why it could not be done."""
        return self._answer.get("error") if self._answer else None
