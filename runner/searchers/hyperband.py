"""KerasTuner's Hyperband (Li et al. 2018, JMLR 18-185): its oracle chooses configurations and epochs both."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.space import Values
from runner.quiet import spare_keras
from runner.schedulers.rule import Fate, Scheduler
from runner.schedulers.rungs import Decision
from runner.searchers.axes import Axes
from runner.searchers.rule import Searcher

if TYPE_CHECKING:
    from runner.searchers.oracles import Hyperband

_ZERO = 2**31  # in the place of the seed 0, which to KerasTuner means any


class OracleHyperband(Scheduler):
    """The oracle, told what its own tuner would tell it.

    Where the oracle has a new trial of its go on from another's weights, here that other trial goes on.  A
    trial counts in a round with its best until then.  One that the oracle would have go on, but which has
    ended by itself, comes to the end of the round at once with the score it has.
    """

    pauses = True

    def __init__(self, axes: Axes, *, max_epochs: int, factor: int, iterations: int, seed: int) -> None:
        """Set up the oracle, once it is needed."""
        self._axes = axes
        self._terms = {"max_epochs": max_epochs, "factor": factor, "iterations": iterations}
        self._seed = seed or _ZERO
        self._current: dict[int, Any] = {}  # the oracle's trial that each trial carries out or waits after
        self._brackets: dict[int, Any] = {}
        self._numbers: dict[str, int] = {}  # by the id of the oracle's trial
        self._over: dict[int, float] = {}  # trials that have ended, and their best
        self._waiting: set[int] = set()
        self._settled: list[Fate] = []
        self._choice: dict[str, Any] | None = None  # what the oracle would have done now

    def searcher(self) -> Searcher:
        """The same oracle as the one that is asked for configurations."""
        return _Configurations(self)

    @cached_property
    def _oracle(self) -> Hyperband:
        with spare_keras():
            from runner.searchers.oracles import Hyperband
        return Hyperband(self._axes, **self._terms, seed=self._seed)

    def trials(self) -> int | None:
        """The sum of all brackets' first rounds; a small space may be exhausted sooner."""
        return self._oracle.size()

    def milestones(self, number: int) -> tuple[int, ...]:
        """The ends of the rounds of the trial's bracket, but the last, where it ends by itself."""
        return tuple(self._oracle.epochs(self._brackets[number])[:-1])

    def configuration(self) -> Values | None:
        """The new trial's, if the oracle would begin one now."""
        values = self._next().get("values")
        if not values or "tuner/trial_id" in values:
            return None
        return self._axes.values({key: values[key] for key in values if key in self._keys})

    def promotable(self) -> int | None:
        """The trial that the oracle would have go on now."""
        values = self._next().get("values") or {}
        past = values.get("tuner/trial_id")
        return None if past is None else self._numbers[past]

    def begin(self, number: int, values: Values) -> None:
        """A trial begins, with the oracle's configuration or with another in its place."""
        if values != self.configuration():
            usual = self._axes.point(self._axes.values({}))
            self._oracle.told = self._axes.point(values) or usual
        trial = self._create(number)
        self._oracle.told = None
        self._brackets[number] = self._oracle.bracket_of(trial)
        self._look_on()

    def on_leg(self, number: int) -> None:
        """One that waits goes on."""
        if number in self._waiting:
            self._waiting.remove(number)
            self._create(number)
            self._look_on()

    def on_result(self, number: int, epoch: int, best: float, score: float) -> Decision:
        """Pause, unless it is the one that would go on now, or certain not to."""
        del score
        if epoch < self._current[number].hyperparameters.values["tuner/epochs"]:
            return Decision.CONTINUE  # it has been here before, and failed later
        self._waiting.add(number)
        self._finish(number, best)
        self._look_on()
        self._settle()
        fate = next((fate for fate in self._settled if fate.number == number), None)
        if fate is not None:
            self._settled.remove(fate)
            return Decision.STOP
        if self.promotable() == number:
            self.on_leg(number)
            return Decision.CONTINUE
        return Decision.PAUSE

    def on_end(self, number: int, best: float) -> None:
        """Its round has its score; without one it is the oracle's failed trial."""
        self._over[number] = best
        self._finish(number, best)
        self._look_on()
        self._settle()

    def on_stopped(self, number: int, best: float) -> None:
        """Before more brackets were asked for there was nothing that it could have waited for."""
        if number in self._waiting:
            self._waiting.remove(number)
            self._over[number] = best
            self._look_on()

    def on_retry(self, number: int) -> None:
        """The oracle's trial is running again."""
        trial = self._current[number]
        del self._over[number]
        trial.status = "RUNNING"
        self._oracle.ongoing_trials[f"{number} again"] = trial
        self._look_on()

    def settled(self) -> list[Fate]:
        """Those that are certain not to go on."""
        settled, self._settled = self._settled, []
        return settled

    @property
    def _keys(self) -> set[str]:
        return {axis.key for axis in self._axes.all}

    def _next(self) -> dict[str, Any]:
        if self._choice is None:
            self._choice = self._oracle.peek()
        return self._choice

    def _create(self, number: int) -> Any:
        """Have the oracle do what it would do now, which is for this trial."""
        trial = self._oracle.create_trial(str(len(self._oracle.trials)))
        self._current[number] = trial
        self._numbers[trial.trial_id] = number
        return trial

    def _finish(self, number: int, best: float) -> None:
        trial = self._current[number]
        trial.status = "COMPLETED" if math.isfinite(best) else "FAILED"
        if math.isfinite(best):
            self._oracle.update_trial(trial.trial_id, {"score": best})
        self._oracle.end_trial(trial)

    def _look_on(self) -> None:
        """Find what the oracle would do now that is more than to have a trial go on that has ended."""
        self._choice = None
        while (number := self.promotable()) in self._over:
            assert number is not None, "None has not ended"  # noqa: S101
            self._create(number)
            self._finish(number, self._over[number])
            self._choice = None

    def _settle(self) -> None:
        """Stop those that wait for nothing; after results and ends only, when that is also carried out."""
        for number in sorted(self._waiting):
            trial, bracket = self._current[number], self._brackets[number]
            after = trial.hyperparameters.values["tuner/round"] + 1
            if self._oracle.full(bracket, after) or self._next()["status"] == "STOPPED":
                self._waiting.remove(number)
                self._over[number] = trial.score
                self._settled.append(Fate(number, Decision.STOP))


class _Configurations(Searcher):
    """The oracle as a searcher; what trials come to it is told as a scheduler."""

    def __init__(self, rule: OracleHyperband) -> None:
        self._rule = rule

    def ask(self, number: int) -> Values | None:
        """The oracle's, if it would begin a trial now."""
        del number
        return self._rule.configuration()

    def on_trial(self, number: int, values: Values) -> None:
        """It takes the next place in the first round of a bracket."""
        self._rule.begin(number, values)
