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
from dataclasses import dataclass
from typing import Any

from ray.tune import PlacementGroupFactory, Trainable
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import SearchAlgorithm

from jobs.report import EpochReport
from runner.conductor import Conductor, Leg
from runner.process import WorkerProcess
from runner.rungs import Decision
from runner.silence import HEARTBEAT, Silence

_PATIENCE = 4.0  # seconds a leg has to save and leave; Tune waits 5 for an actor to stop
_UNPLACED = 10.0  # seconds that a leg waits for room before it gets the next actor that is free


class LegRunner(Trainable):
    """The actor: owns a warm training process and passes on what it says."""

    process = WorkerProcess

    def setup(self, config: dict[str, Any]) -> None:
        """Start the process and its first leg."""
        self._worker: WorkerProcess | None = None
        self._next: dict[str, Any] | None = None
        self._begin(config)

    def take_up(self, config: dict[str, Any]) -> None:
        """The leg that the next step begins; the present one was decided on.

        Nothing is done here: what goes wrong in a step reaches Tune.
        """
        self._next = config

    def _begin(self, config: dict[str, Any]) -> None:
        if self._worker is None or not self._worker.alive:
            self._worker = self.process(backend=config["backend"], threads=config["threads"])
        self._milestones = frozenset(config["order"]["milestones"])
        self._waits = False
        self._open = True  # the leg has not ended by itself
        self._owed = True  # the process has yet to say that it is done with it
        self._worker.send(config["order"])

    def step(self) -> dict[str, Any]:
        """The next thing the leg says, or a heartbeat."""
        assert self._worker is not None, "setup starts one"  # noqa: S101
        if self._next is not None:
            self._change(self._next)
            self._next = None
        if self._waits:
            self._worker.send({"do": "go"})
            self._waits = False
        message = self._worker.receive(HEARTBEAT) or {"say": "heartbeat"}
        if message["say"] == "report":
            report = message["report"]
            self._waits = report["epoch"] in self._milestones and not report["ended"]
            self._open = not report["ended"]
        elif message["say"] in {"failed", "died"}:
            self._open = self._owed = False
        return {"message": json.dumps(message)}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another Tune trial's first leg in the same process."""
        self._change(new_config)
        return True

    def _change(self, config: dict[str, Any]) -> None:
        """Leave the leg that was decided on and begin the next."""
        if self._open and self._worker is not None:
            if self._waits:
                self._worker.send({"do": "drop"})
            else:
                self._leave()
        self._finish_leg()
        self._begin(config)

    def _leave(self) -> None:
        if self._worker is not None:
            self._worker.send({"do": "leave"})
            if self._waits:
                self._worker.send({"do": "drop"})

    def _finish_leg(self) -> None:
        """Read until the process says that it is done with the leg."""
        while self._owed and self._worker is not None and self._worker.alive:
            message = self._worker.receive(_PATIENCE)
            if message is None or message["say"] == "died":
                self._worker.close(0)
            elif message["say"] in {"left", "failed"}:
                return

    def cleanup(self) -> None:
        """Let an open leg save and leave, then end the process."""
        if self._worker is not None:
            if self._open:
                self._leave()
                self._finish_leg()
            self._worker.close()


@dataclass(frozen=True)
class LegConfig:
    """What is the same for every leg of a sweep, as the training process is told it.

    Attributes:
        job: the job file's text; its path, ``sweep``, is the folder's URI and ``panel`` a folder of the node.
    """

    job: str
    sweep: str
    panel: str
    backend: str
    cpu: int

    def of(self, leg: Leg) -> dict[str, Any]:
        """A Tune trial's config."""
        order = {
            "do": "train",
            "job": self.job,
            "sweep": self.sweep,
            "panel": self.panel,
            "trial": leg.trial,
            "epoch": leg.epoch,
            "params": leg.params.to_json(),
            "seed": leg.seed,
            "milestones": leg.milestones,
        }
        return {"backend": self.backend, "threads": self.cpu, "order": order}


class LegSource(SearchAlgorithm):
    """Hands Tune the conductor's legs, as many at a time as there are workers."""

    def __init__(self, conductor: Conductor, config: LegConfig, workers: int, silence: Silence) -> None:
        self._conductor, self._config, self._workers, self._silence = conductor, config, workers, silence
        self._parser = _make_parser()
        self._spec: dict[str, Any] = {}
        self._count = 0
        self._latest: tuple[TuneTrial, float] | None = None  # the Tune trial made last, and when

    def add_configurations(self, experiments: Any) -> None:
        """Learn what Tune calls the trainable and where it keeps its scratch."""
        self._spec = experiments[0].spec

    def next_trial(self) -> Any:
        """The next leg as a Tune trial, or None."""
        leg = self._next_leg()
        if leg is None:
            return None
        self._count += 1
        trial = _create_trial_from_spec(
            self._spec,
            self._parser,
            trial_id=f"{self._count:06d}-{leg.trial}",
            experiment_tag=leg.trial,
            placement_group_factory=PlacementGroupFactory([{"CPU": self._config.cpu}]),
        )
        trial.config = self._config.of(leg)
        trial.recur_trial = leg.trial
        self._latest = trial, time.monotonic()
        return trial

    def go_on(self, trial: TuneTrial) -> bool:
        """Give a Tune trial whose leg has ended the next one; False when it is to end and free its actor."""
        leg = None if self._starving() else self._next_leg()
        if leg is None:
            return False
        trial.recur_trial = leg.trial
        actor = trial.temporary_state.ray_actor  # an actor carries out its calls in their order
        actor.take_up.remote(self._config.of(leg))
        return True

    def _starving(self) -> bool:
        """Whether a leg waits for room, in a cluster that has lost a node for one: Tune holds one at most."""
        if self._latest is None:
            return False
        trial, since = self._latest
        return trial.status == TuneTrial.PENDING and time.monotonic() - since > _UNPLACED

    def _next_leg(self) -> Leg | None:
        return self._conductor.next_leg() if self._conductor.running < self._workers else None

    def is_finished(self) -> bool:
        """Whether the conductor is; Tune asks several times a second."""
        self._silence.check()
        return self._conductor.finished


class LegScheduler(TrialScheduler):
    """Asks the conductor about every message of every leg; ``tick`` is called after each."""

    _supports_buffered_results = False

    def __init__(
        self, conductor: Conductor, source: LegSource, tick: Callable[[], None], silence: Silence
    ) -> None:
        super().__init__()
        self._conductor, self._source, self._tick, self._silence = conductor, source, tick, silence

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Pass a message on; the Tune trial goes on with this leg or the next, or ends if there is none."""
        del tune_controller
        go_on = self._hear(trial.recur_trial, json.loads(result["message"])) or self._source.go_on(trial)
        self._silence.hear(trial.trial_id, ends=not go_on)
        self._tick()
        return str(TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP)

    def _hear(self, trial: str, message: dict[str, Any]) -> bool:
        conductor = self._conductor
        match message["say"]:
            case "report":
                if conductor.on_report(trial, EpochReport(**message["report"])) is not Decision.CONTINUE:
                    return False
            case "failed":
                conductor.on_failed(trial, message["error"])
                return False
            case "died":
                conductor.on_lost(trial, message["error"])
                return False
        if conductor.stopping:
            conductor.on_suspended(trial)
            return False
        return True

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """The actor or its node is gone."""
        del tune_controller
        self._silence.hear(trial.trial_id, ends=True)
        self._conductor.on_lost(trial.recur_trial, "its worker's node or actor went away")
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
                self._conductor.on_suspended(trial.recur_trial)
                tune_controller.stop_trial(trial)

    def debug_string(self) -> str:
        """Nothing: the live table shows it."""
        return ""
