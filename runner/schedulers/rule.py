"""What every rule can be asked and told."""

from __future__ import annotations

from dataclasses import dataclass

from runner.schedulers.rungs import Decision


@dataclass(frozen=True)
class Fate:
    """What becomes of a trial that was paused.

    Attributes:
        donor: the trial whose weights and hyperparameters it goes on from, if they are not its own.
    """

    number: int
    decision: Decision
    donor: int | None = None


class Scheduler:
    """A rule that stops trials early; this one lets every trial run to its own end.

    Attributes:
        pauses: whether it ever has a trial wait and go on later.
    """

    pauses = False

    def trials(self) -> int | None:
        """How many trials the rule itself asks for; None leaves that to the job."""
        return None

    def expect(self, planned: int) -> None:
        """Take note of how many trials the sweep will have; more, when it is extended."""

    def milestones(self, number: int) -> tuple[int, ...]:
        """The epochs after which trial ``number`` needs a decision, ascending."""
        del number
        return ()

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Decide on a trial that has reached one of its milestones; ``score`` is that epoch's own."""
        del number, epoch, best, score
        return Decision.CONTINUE

    def on_leg(self, number: int) -> None:
        """Take note that a trial goes on, or begins."""

    def on_end(self, number: int, best: float) -> None:
        """Take note of a trial that ended by itself."""

    def on_stopped(self, number: int, best: float) -> None:
        """Take note that a trial which the rule had stopped has ended, if it does not remember it."""

    def on_retry(self, number: int) -> None:
        """Take note that a trial which failed begins once more."""

    def settled(self) -> list[Fate]:
        """The paused trials whose fate the last events decided, each told once."""
        return []

    def promotable(self) -> int | None:
        """The paused trial that goes on if there is a worker for it; it does with ``on_leg``."""
        return None
