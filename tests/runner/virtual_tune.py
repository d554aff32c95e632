"""A virtual Tune: what Ray Tune does of a sweep, without Ray."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial as TuneTrial

from jobs.spec import Resources
from runner.conductor import Conductor
from runner.exam import Exam
from runner.legs import LegConfig
from runner.silence import Silence
from runner.trials import LegScheduler, LegSource


@dataclass
class Actor:
    """The handle of an actor: what it was told to take up."""

    taken: list[str] = field(default_factory=list)
    left: int = 0

    @property
    def leave(self) -> Any:
        def remote() -> None:
            self.left += 1

        return SimpleNamespace(remote=remote)

    @property
    def take_up(self) -> Actor:
        return self

    def remote(self, config: dict[str, Any]) -> None:
        self.taken.append(config["order"]["trial"])


@dataclass
class Tune:
    """What Tune does of a sweep: asks for trials, places them, passes on what their actors say."""

    conductor: Conductor
    workers: int = 2
    node_lost: bool = False
    exam: Exam = field(default_factory=lambda: Exam(lambda: None))
    ticks: int = 0
    wanted: int = 0
    placed: list[Any] = field(default_factory=list)
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        config = LegConfig(job="", sweep="", panel="", backend="jax", resources=self.resources, modules={})
        self.source = LegSource(self.conductor, config, self.exam, self._room, Silence(lambda: True))
        self.scheduler = LegScheduler(
            self.conductor, self.source, self.exam, self._tick, Silence(lambda: True), lambda: self.node_lost
        )

    def _room(self, wanted: int) -> int:
        self.wanted = wanted
        return self.workers

    def _tick(self) -> None:
        self.ticks += 1

    def place(self) -> list[str]:
        """Start all that there is room for; the trials whose legs have begun."""
        while trial := self.source.next_trial():
            trial.status = TuneTrial.RUNNING
            trial.temporary_state = SimpleNamespace(ray_actor=Actor())
            self.placed.append(trial)
        return [trial.recur_trial for trial in self.placed]

    def say(self, trial: Any, *messages: dict[str, Any]) -> str:
        return self.scheduler.on_trial_result(None, trial, {"messages": json.dumps(messages)})
