"""Which trials go on: decision rules that know numbers and scores only, nothing of Ray or Keras.

A rule is told of results and ends in the journal's order and its decisions follow from nothing else, so that
replaying a journal gives the same rule back.  Scores are of the objective, less is better; a trial's score at
a rung is its best until then, and a trial that has ended counts at every later rung with its best, one that
diverged or failed with infinity.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Protocol

from jobs.fidelity import Fidelity
from jobs.spec import Job
from runner.rungs import Decision, Round, Rung


class Scheduler(Protocol):
    """A rule that stops trials early.

    Attributes:
        pauses: whether it ever has a trial wait and go on later.
    """

    pauses: bool

    def trials(self) -> int | None:
        """How many trials the rule itself asks for; None leaves that to the job."""

    def milestones(self, number: int) -> tuple[int, ...]:
        """The epochs after which trial ``number`` needs a decision, ascending."""

    def on_result(self, number: int, epoch: int, best: float) -> Decision:
        """Decide on a trial that has reached one of its milestones."""

    def on_end(self, number: int, best: float) -> None:
        """Take note of a trial that ended by itself."""

    def settled(self) -> list[tuple[int, Decision]]:
        """Paused trials whose fate the last events decided: ``CONTINUE`` or ``STOP``, each told once."""


class NoScheduler:
    """Every trial runs to its own end."""

    pauses = False

    def trials(self) -> int | None:
        """The job decides."""
        return None

    def milestones(self, number: int) -> tuple[int, ...]:
        """None."""
        del number
        return ()

    def on_result(self, number: int, epoch: int, best: float) -> Decision:
        """Go on."""
        del number, epoch, best
        return Decision.CONTINUE

    def on_end(self, number: int, best: float) -> None:
        """Nothing depends on it."""

    def settled(self) -> list[tuple[int, Decision]]:
        """None is ever paused."""
        return []


class Asha:
    """Asynchronous successive halving, the stopping variant (Li et al. 2020, arXiv:1810.05934).

    Rungs lie at ``min_epochs · factor^k``.  A trial goes on from a rung if it is among the best
    1/``factor`` of those seen there; while a rung has seen fewer than ``factor`` trials nobody is stopped.
    """

    pauses = False

    def __init__(self, *, max_epochs: int, factor: int, min_epochs: int) -> None:
        """Set the rungs below ``max_epochs``."""
        self._factor = factor
        self._rungs: dict[int, Rung] = {}
        epoch = min_epochs
        while epoch < max_epochs:
            self._rungs[epoch] = Rung()
            epoch *= factor

    def trials(self) -> int | None:
        """The job decides."""
        return None

    def milestones(self, number: int) -> tuple[int, ...]:
        """The rungs, the same for all."""
        del number
        return tuple(self._rungs)

    def on_result(self, number: int, epoch: int, best: float) -> Decision:
        """Stop the trial unless it is among the rung's best."""
        rung = self._rungs[epoch]
        rung.enter(number, best)
        if not math.isfinite(best):
            return Decision.STOP
        if len(rung) < self._factor:
            return Decision.CONTINUE
        return Decision.CONTINUE if rung.better(best) * self._factor < len(rung) else Decision.STOP

    def on_end(self, number: int, best: float) -> None:
        """Count the trial at the rungs it did not come to."""
        for rung in self._rungs.values():
            rung.enter(number, best)

    def settled(self) -> list[tuple[int, Decision]]:
        """None is ever paused."""
        return []


class Hyperband:
    """All of Hyperband's brackets, run asynchronously (Li et al. 2018, JMLR 18-185).

    Brackets and their sizes are KerasTuner's: a bracket of ``k + 1`` rounds begins with
    ``ceil((ceil(1 + log_factor(max_epochs)) / (k + 1)) · factor^k)`` trials.  A trial that has finished a
    round pauses, and goes on as soon as it is certain to be among the round's best, however the rest turn
    out; it is stopped as soon as the contrary is certain.  So the outcome is the synchronous one, no worker
    waits while another bracket has work, and nothing can dead-lock: when all of a round have reported,
    every fate is certain.
    """

    pauses = True

    def __init__(self, *, max_epochs: int, factor: int, min_epochs: int, iterations: int) -> None:
        """Lay out the brackets, the widest first, ``iterations`` times over."""
        deepest, epochs = 0, max_epochs / factor
        while epochs >= min_epochs:
            deepest, epochs = deepest + 1, epochs / factor
        kinds = [_bracket(k, max_epochs, factor) for k in range(deepest, -1, -1)] * iterations
        self._brackets = [
            [Round(epoch, size, advance) for epoch, size, advance in rounds] for rounds in kinds
        ]
        self._first: list[int] = []  # the number of each bracket's first trial
        total = 0
        for rounds in self._brackets:
            self._first.append(total)
            total += rounds[0].size
        self._total = total
        self._ended: dict[int, float] = {}
        self._settled: list[tuple[int, Decision]] = []

    def trials(self) -> int | None:
        """The sum of all brackets' first rounds."""
        return self._total

    def milestones(self, number: int) -> tuple[int, ...]:
        """The ends of the rounds of the trial's bracket, but the last, where it ends by itself."""
        return tuple(r.epoch for r in self._bracket_of(number)[:-1])

    def on_result(self, number: int, epoch: int, best: float) -> Decision:
        """Go on or stop if that is certain already, else pause."""
        rounds = self._bracket_of(number)
        index = next(i for i, r in enumerate(rounds) if r.epoch == epoch)
        return self._enter(rounds[index:], number, best)

    def on_end(self, number: int, best: float) -> None:
        """Count the trial in the round it was in, and in those it still gets into."""
        self._ended[number] = best
        rounds = self._bracket_of(number)
        index = next((i for i, r in enumerate(rounds) if number not in r.rung.numbers), len(rounds))
        self._enter(rounds[index:], number, best)

    def settled(self) -> list[tuple[int, Decision]]:
        """What became certain since the last call about trials that are paused."""
        settled, self._settled = self._settled, []
        return settled

    def _bracket_of(self, number: int) -> list[Round]:
        return self._brackets[bisect_right(self._first, number) - 1]

    def _enter(self, rounds: list[Round], number: int, best: float) -> Decision:
        """Count a trial in the first of ``rounds`` and settle what that makes certain.

        Of those that have ended, the ones that go on are counted in the next round at once.
        """
        answer = Decision.PAUSE
        entering = [(number, best)]
        for this in rounds[:-1]:
            decided = [told for one in entering for told in this.enter(*one)]
            entering = []
            for other, decision in decided:
                if other in self._ended:
                    if decision is Decision.CONTINUE:
                        entering.append((other, self._ended[other]))
                elif other == number:
                    answer = decision
                else:
                    self._settled.append((other, decision))
        return answer


def _bracket(k: int, max_epochs: int, factor: int) -> list[tuple[int, int, int]]:
    """Epochs, size and number of those that go on, for each round of KerasTuner's bracket ``k``."""
    end_size = math.ceil(1 + math.log(max_epochs, factor) - 1e-9) / (k + 1)
    sizes = [math.ceil(end_size * factor ** (k - r) - 1e-9) for r in range(k + 1)]
    epochs = [math.ceil(max_epochs / factor ** (k - r) - 1e-9) for r in range(k + 1)]
    return [(epochs[r], sizes[r], sizes[r + 1] if r < k else 0) for r in range(k + 1)]


def make_scheduler(job: Job, fidelity: Fidelity) -> Scheduler:
    """The rule that a job names, fresh."""
    search, epochs = job.search, fidelity.epochs(job.train.max_epochs)
    least = fidelity.epochs(search.min_epochs) if search.min_epochs else 1
    match search.scheduler:
        case "none":
            return NoScheduler()
        case "asha":
            return Asha(max_epochs=epochs, factor=search.factor, min_epochs=least)
        case "hyperband":
            return Hyperband(
                max_epochs=epochs,
                factor=search.factor,
                min_epochs=least,
                iterations=search.hyperband_iterations,
            )
