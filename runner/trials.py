"""The adapters to Ray Tune: a Tune trial carries leg after leg, and every decision is the conductor's.

Tune gives us placement, actors and their reuse, and events.  What Tune does for each trial of its own (a
placement group, a reset, books that only grow) costs more than a short leg, and the more the more of them
there have been.  So a Tune trial whose leg has ended takes up the next leg at once, of whichever trial that
is, and ends only when there is none at the moment; a later leg then begins as another Tune trial.  Tune's own
pausing, which saves and pickles, is not used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import SearchAlgorithm

from jobs.report import EpochReport
from runner.conductor import Conductor
from runner.exam import Exam
from runner.legs import LegConfig, Work
from runner.schedulers.rungs import Decision
from runner.silence import Silence

_LEAVING = 3.0  # seconds a leg has to save, leave and say so, when the sweep is being stopped
_UNPLACED = 10.0  # seconds that a leg waits for room before it gets the next actor that is free


class Unheard(TrialProgressCallback):
    """Prints nothing on standard output, where Tune says of a trial without results that it has ended."""

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        """Nothing."""


class LegSource(SearchAlgorithm):
    """Hands Tune the conductor's legs, as many at a time as there is room for."""

    def __init__(
        self,
        conductor: Conductor,
        config: LegConfig,
        exam: Exam,
        room: Callable[[int], int],
        silence: Silence,
    ) -> None:
        """``room``: told how many legs could be run, says how many can."""
        self._conductor, self._config, self._exam = conductor, config, exam
        self._room, self._silence = room, silence
        self._parser = _make_parser()
        self._spec: dict[str, Any] = {}
        self._count = 0
        self._latest: tuple[TuneTrial, float] | None = None  # the Tune trial made last, and when
        self._dry = False  # there was room for more legs than there are at the moment
        self._kept: Work | None = None  # for want of an actor with its room

    def add_configurations(self, experiments: Any) -> None:
        """Learn what Tune calls the trainable and where it keeps its scratch."""
        self._spec = experiments[0].spec

    def next_trial(self) -> Any:
        """The next leg as a Tune trial, or None."""
        work = self._next_work()
        if work is None:
            return None
        self._count += 1
        trial = _create_trial_from_spec(
            self._spec,
            self._parser,
            trial_id=f"{self._count:06d}-{work.trial}",
            experiment_tag=work.trial,
            placement_group_factory=PlacementGroupFactory([work.room]),
        )
        trial.recur_trial, trial.recur_room, trial.config = work.trial, work.room, work.config
        self._latest = trial, time.monotonic()
        return trial

    def go_on(self, trial: TuneTrial) -> bool:
        """Give a Tune trial whose leg has ended the next one; False when it is to end and free its actor."""
        work = None if self._starving() else self._next_work()
        if work is None:
            return False
        if work.room != trial.recur_room:
            self._kept = work  # for a Tune trial of its own
            return False
        trial.recur_trial = work.trial
        actor = trial.temporary_state.ray_actor  # an actor carries out its calls in their order
        actor.take_up.remote(work.config)
        return True

    def _starving(self) -> bool:
        """Whether a leg waits for room, in a cluster that has lost a node for one: Tune holds one at most."""
        if self._latest is None:
            return False
        trial, since = self._latest
        return trial.status == TuneTrial.PENDING and time.monotonic() - since > _UNPLACED

    def _next_work(self) -> Work | None:
        """The next leg or, after the last one, the exam."""
        if self._kept is not None:
            work, self._kept = self._kept, None
            return work
        conductor = self._conductor
        if conductor.running < self._room(conductor.running if self._dry else conductor.runnable):
            leg = conductor.next_leg()
            self._dry = leg is None
            if leg:
                return self._config.of(leg)
        if self._conductor.finished and (order := self._exam.take()):
            return self._config.around(self._exam.NAME, order, gpu=order["gpu"], cpu=order["cpu"])
        return None

    def is_finished(self) -> bool:
        """Whether nothing is left to do; Tune asks several times a second."""
        self._silence.check()
        return self._conductor.finished and self._exam.over


class LegScheduler(TrialScheduler):
    """Asks the conductor about every message of every leg; ``tick`` is called after each step's."""

    _supports_buffered_results = False

    def __init__(
        self,
        conductor: Conductor,
        source: LegSource,
        exam: Exam,
        tick: Callable[[], None],
        silence: Silence,
        node_lost: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._node_lost = node_lost
        self._conductor, self._source, self._exam = conductor, source, exam
        self._tick, self._silence = tick, silence
        self._leaving: dict[str, float] = {}  # Tune trials that were asked to leave, and when

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Pass messages on; the Tune trial goes on with this leg or the next, or ends if there is none.

        What follows on a message that ends the leg is of epochs that nobody wanted any more.
        """
        del tune_controller
        messages = json.loads(result["messages"])
        go_on = all(self._hear(trial, message) for message in messages) or self._source.go_on(trial)
        self._silence.hear(trial.trial_id, ends=not go_on)
        self._tick()
        return str(TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP)

    def _hear(self, tune_trial: TuneTrial, message: dict[str, Any]) -> bool:
        conductor, trial = self._conductor, tune_trial.recur_trial
        if trial == self._exam.NAME:
            goes_on = self._exam.hear(message)
            if goes_on and conductor.stopping:
                self._exam.give_up()
            return goes_on and not self._exam.over
        match message["say"]:
            case "report":
                if conductor.on_report(trial, EpochReport(**message["report"])) is not Decision.CONTINUE:
                    return False
            case "failed" | "died":
                self._end(trial, message)
                return False
        leaving = conductor.stopping or trial in conductor.departing
        return self._leaves(tune_trial, message) if leaving else True

    def _leaves(self, trial: TuneTrial, message: dict[str, Any]) -> bool:
        """Whether there is more to hear of a leg that is to save and leave: it may be epochs ahead of us."""
        if trial.trial_id not in self._leaving:
            self._leaving[trial.trial_id] = time.monotonic()
            trial.temporary_state.ray_actor.leave.remote()
        late = time.monotonic() - self._leaving[trial.trial_id] > _LEAVING
        if message["say"] != "left" and not late:
            return True
        self._conductor.on_suspended(trial.recur_trial)
        return False

    def _end(self, trial: str, message: dict[str, Any]) -> None:
        """The leg, and perhaps the trial, did not go well."""
        if message.get("exhausted"):
            self._conductor.on_exhausted(trial, message["error"], killed=message["say"] == "died")
        elif message["say"] == "died":
            self._conductor.on_lost(trial, message["error"], timeout=message.get("timeout", False))
        else:
            self._conductor.on_failed(trial, message["error"])

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """The actor or its node is gone."""
        del tune_controller
        self._silence.check(at_once=True)  # nothing that a leg could help, if it was Ray
        self._silence.hear(trial.trial_id, ends=True)
        node = self._node_lost()
        gone = "its node went away" if node else "its worker went away"
        if trial.recur_trial == self._exam.NAME:
            self._exam.hear({"say": "died", "error": gone})
        else:
            self._conductor.on_lost(trial.recur_trial, gone, node=node)
        self._tick()

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Nothing to do: the conductor chose it."""

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Nothing to do: the conductor ended it."""

    def on_trial_remove(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Nothing to do: it never ran."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """None: Tune starts pending trials by itself; those that a stop finds waiting are taken back."""
        if self._conductor.stopping:
            for trial in [t for t in tune_controller.get_live_trials() if t.status == TuneTrial.PENDING]:
                if trial.recur_trial == self._exam.NAME:
                    self._exam.give_up()
                else:
                    self._conductor.on_suspended(trial.recur_trial)
                tune_controller.stop_trial(trial)

    def debug_string(self) -> str:
        """Nothing: the live table shows it."""
        return ""
