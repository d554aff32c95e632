"""Hyperband (Li et al. 2018, JMLR 18-185)."""

from __future__ import annotations

import math
from bisect import bisect_right

from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision, Round


class Hyperband(Scheduler):
    """All brackets, run asynchronously.

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
        self._settled: list[Fate] = []
        self._retried: set[int] = set()

    def trials(self) -> int | None:
        """The sum of all brackets' first rounds."""
        return self._total

    def milestones(self, number: int) -> tuple[int, ...]:
        """The ends of the rounds of the trial's bracket, but the last, where it ends by itself."""
        return tuple(r.epoch for r in self._bracket_of(number)[:-1])

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Go on or stop if that is certain already, else pause."""
        del score
        rounds = self._bracket_of(number)
        index = next(i for i, r in enumerate(rounds) if r.epoch == epoch)
        if number in self._retried:
            this = rounds[index]
            return Decision.CONTINUE if this.rung.better(best) < this.advance else Decision.STOP
        return self._enter(rounds[index:], number, best)

    def on_end(self, number: int, best: float) -> None:
        """Count the trial in the round it was in, and in those it still gets into."""
        if number in self._retried:
            return
        self._ended[number] = best
        rounds = self._bracket_of(number)
        index = next((i for i, r in enumerate(rounds) if number not in r.rung.numbers), len(rounds))
        self._enter(rounds[index:], number, best)

    def on_retry(self, number: int) -> None:
        """It has had its place in its rounds; it goes on as long as it is better than who got on."""
        self._retried.add(number)

    def settled(self) -> list[Fate]:
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
                    self._settled.append(Fate(other, decision))
        return answer


def _bracket(k: int, max_epochs: int, factor: int) -> list[tuple[int, int, int]]:
    """Epochs, size and number of those that go on, for each round of KerasTuner's bracket ``k``."""
    end_size = math.ceil(1 + math.log(max_epochs, factor) - 1e-9) / (k + 1)
    sizes = [math.ceil(end_size * factor ** (k - r) - 1e-9) for r in range(k + 1)]
    epochs = [math.ceil(max_epochs / factor ** (k - r) - 1e-9) for r in range(k + 1)]
    return [(epochs[r], sizes[r], sizes[r + 1] if r < k else 0) for r in range(k + 1)]
