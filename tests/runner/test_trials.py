"""The adapters to Ray Tune, without Ray: virtual processes below, a virtual Tune above."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler

from jobs.report import EpochReport
from jobs.spec import Resources
from runner import owner as owner_module
from runner import trials as module
from runner.actor import LegRunner
from runner.conductor import Conductor
from runner.exam import Exam
from runner.legs import LegConfig
from runner.silence import Silence
from runner.trials import LegScheduler, LegSource
from tests.runner.curves import make_job
from tests.runner.pool import fresh_conductor

GO_ON, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


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


class Runner(LegRunner):
    process = Virtual


def order(trial: str, *milestones: int) -> dict[str, Any]:
    return {
        "process": {"backend": "jax", "threads": 2},
        "limits": {"legs": None, "memory": None},
        "order": {"do": "train", "trial": trial, "milestones": milestones},
    }


@pytest.fixture
def runner() -> LegRunner:
    """In the middle of leg ``a``, which has a decision after epoch 1."""
    Virtual.started = []
    return begun("a")


def begun(trial: str) -> LegRunner:
    """In the middle of this leg, which has a decision after epoch 1."""
    runner = Runner(order(trial, 1))
    assert heard(runner) == ["heartbeat"]
    return runner


def heard(runner: LegRunner, *says: dict[str, Any]) -> list[str]:
    """What steps bring when the process says this, however they cut it."""
    return [message for batch in batches(runner, *says) for message in batch]


def batches(runner: LegRunner, *says: dict[str, Any]) -> list[list[str]]:
    """The same, step by step."""
    Virtual.started[-1].says.extend(says)
    steps: list[list[str]] = []
    while sum(map(len, steps)) < max(1, len(says)):
        steps.append([message["say"] for message in json.loads(runner.step()["messages"])])
    return steps


def test_an_actor_that_starts_begins_no_leg_before_its_first_step() -> None:
    """Tune may have another actor, that has fallen free meanwhile, train the leg instead."""
    Virtual.started = []
    runner = Runner(order("a"))
    (process,) = Virtual.started
    assert process.told == []

    runner.leave()
    heard(runner)

    assert process.told == ["traina", "leave"]


def test_a_leg_that_has_ended_is_followed_by_the_next_in_the_same_process(runner: LegRunner) -> None:
    assert heard(runner, report(1, "done")) == ["report"]

    runner.take_up(order("b"))
    process = Virtual.started[-1]
    assert process.told == ["traina"]  # nothing before the next step
    process.says.append({"say": "left"})

    assert heard(runner, report(1)) == ["report"]
    assert (process.told, process.how) == (["traina", "trainb"], ("jax", 2))
    assert len(Virtual.started) == 1


def test_a_milestone_is_answered_by_the_next_step_or_the_next_leg(runner: LegRunner) -> None:
    process = Virtual.started[-1]
    assert heard(runner, report(1), report(2)) == ["report", "report"]
    assert process.told == ["traina", "go"]
    runner = begun("c")
    process = Virtual.started[-1]
    heard(runner, report(1))

    runner.take_up(order("d"))
    heard(runner, {"say": "left"})

    assert process.told == ["trainc", "drop", "traind"]


def test_a_step_brings_all_that_was_said_since_up_to_an_answer_or_an_end(runner: LegRunner) -> None:
    process = Virtual.started[-1]

    said = batches(runner, report(1), report(2), report(3), report(4), {"say": "failed", "error": "no"})

    assert said == [["report"], ["report", "report", "report", "failed"]]
    assert process.told == ["traina", "go"]  # the second step answers the first's milestone
    runner.take_up(order("b"))
    assert batches(runner, report(2), report(3, "done")) == [["report", "report"]]
    process.says.append({"say": "left"})  # of b, for whoever begins the next
    runner.take_up(order("c"))
    assert batches(runner, report(2), {"say": "died", "error": "killed"}) == [["report", "died"]]


def test_a_step_brings_only_so_much_at_a_time(runner: LegRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never stops talking is heard too."""
    monkeypatch.setattr(owner_module, "_MOST", 2)

    said = batches(runner, *(report(epoch) for epoch in range(2, 7)))

    assert list(map(len, said)) == [2, 2, 1]


def test_a_leg_in_the_middle_of_an_epoch_saves_and_leaves(runner: LegRunner) -> None:
    heard(runner, report(2))

    runner.take_up(order("b"))
    heard(runner, report(3), {"say": "left"}, report(1))

    assert Virtual.started[-1].told == ["traina", "leave", "trainb"]


def test_a_process_that_died_is_followed_by_another(runner: LegRunner) -> None:
    assert heard(runner, {"say": "died", "error": "killed"}) == ["died"]

    runner.take_up(order("b"))

    assert json.loads(runner.step()["messages"]) == [{"say": "heartbeat"}]
    assert [process.told for process in Virtual.started] == [["traina"], ["trainb"]]


def test_a_process_that_does_not_leave_is_replaced(runner: LegRunner) -> None:
    runner.take_up(order("b"))

    runner.step()

    assert [process.told for process in Virtual.started] == [["traina", "leave"], ["trainb"]]
    assert not Virtual.started[0].alive


def test_another_tune_trials_leg_is_begun_likewise(runner: LegRunner) -> None:
    heard(runner, report(1, "done"))

    assert runner.reset_config(order("b"))
    heard(runner, {"say": "left"})

    assert Virtual.started[-1].told == ["traina", "trainb"]


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
    exam: Exam = field(default_factory=lambda: Exam(lambda: None))
    ticks: int = 0
    placed: list[Any] = field(default_factory=list)
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        config = LegConfig(job="", sweep="", panel="", backend="jax", resources=self.resources)
        self.source = LegSource(self.conductor, config, self.exam, self.workers, Silence(lambda: True))
        self.scheduler = LegScheduler(
            self.conductor, self.source, self.exam, self._tick, Silence(lambda: True)
        )

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


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch) -> Tune:
    """A sweep of four trials, of which two can run at a time."""

    def create(_spec: Any, _parser: Any, **options: Any) -> Any:
        """A real one would ask Ray about its trainable."""
        return SimpleNamespace(trial_id=options["trial_id"], status=TuneTrial.PENDING)

    monkeypatch.setattr(module, "_create_trial_from_spec", create)
    job = make_job(
        search={"trials": 4, "scheduler": "asha", "factor": 3},
        train={"max_epochs": 9},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )
    return Tune(fresh_conductor(job))


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (report(1, "done"), "done"),
        ({"say": "failed", "error": "ValueError: no"}, "failed"),
        ({"say": "died", "error": "killed"}, "paused"),
    ],
)
def test_a_tune_trial_whose_leg_has_ended_takes_up_the_next(
    tune: Tune, message: dict[str, Any], state: str
) -> None:
    assert tune.place() == ["00000", "00001"]
    first = tune.placed[0]

    assert tune.say(first, message) == GO_ON

    begun = "00002" if state != "paused" else "00000"  # one that lost its worker goes first
    assert (first.temporary_state.ray_actor.taken, first.recur_trial) == ([begun], begun)
    assert tune.conductor.results.trials["00000"].state == (state if begun != "00000" else "running")
    assert (tune.place(), tune.ticks) == ([begun, "00001"], 1)  # no third is made


def test_it_goes_on_with_its_own_leg_as_long_as_that_lasts(tune: Tune) -> None:
    tune.place()
    first = tune.placed[0]

    assert [tune.say(first, m) for m in (report(1), report(2), {"say": "heartbeat"})] == [GO_ON] * 3

    assert (first.temporary_state.ray_actor.taken, first.recur_trial) == ([], "00000")


def test_messages_that_come_together_are_heard_in_their_order_up_to_the_legs_end(tune: Tune) -> None:
    """What a leg said after the report that ended it is of nobody's interest."""
    tune.place()
    first = tune.placed[0]

    assert tune.say(first, report(1), report(2), report(3, "done"), {"say": "died", "error": "x"}) == GO_ON

    results = tune.conductor.results
    assert [epoch for epoch, _ in results.trials["00000"].history] == [1, 2, 3]
    assert results.trials["00000"].state == "done"
    assert (first.recur_trial, results.trials["00002"].state) == ("00002", "running")
    assert tune.ticks == 1


def test_it_ends_when_there_is_no_leg_left(tune: Tune) -> None:
    tune.place()

    answers = [tune.say(trial, report(1, "done")) for trial in tune.placed * 2]

    assert answers == [GO_ON, GO_ON, STOP, STOP]
    assert tune.source.is_finished()
    assert tune.place() == ["00002", "00003"]


def test_it_ends_when_the_sweep_is_being_stopped(tune: Tune) -> None:
    tune.place()
    tune.conductor.stop()

    first, second = tune.placed
    assert tune.say(first, report(2)) == GO_ON
    assert tune.say(first, report(4)) == GO_ON  # it was ahead, and what it says is heard
    assert tune.say(second, report(1, "done")) == STOP
    assert tune.say(first, {"say": "left"}) == STOP

    assert first.temporary_state.ray_actor.left == 1
    assert tune.conductor.finished
    assert tune.conductor.results.counts()["paused"] == 1
    assert tune.conductor.results.trials["00000"].epochs_trained == 4


def test_a_leg_that_does_not_leave_is_not_waited_for_long(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    tune.place()
    tune.conductor.stop()
    assert tune.say(tune.placed[0], {"say": "heartbeat"}) == GO_ON

    now[0] = 3.1

    assert tune.say(tune.placed[0], {"say": "heartbeat"}) == STOP
    assert tune.conductor.results.trials["00000"].state == "paused"


def test_an_actor_that_is_gone_loses_the_leg_it_had_last(tune: Tune) -> None:
    tune.place()
    first = tune.placed[0]
    tune.say(first, report(1, "done"))

    tune.scheduler.on_trial_error(None, first)

    states = [trial.state for trial in tune.conductor.results.trials.values()]
    assert states == ["done", "running", "paused"]
    assert tune.place()[-1] == "00002"


def test_a_leg_that_waits_long_for_room_gets_the_next_actor(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node is gone, and with it the room for the second."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    tune.place()
    first, second = tune.placed
    second.status = TuneTrial.PENDING
    assert tune.say(first, report(1, "done")) == GO_ON

    now[0] = 11.0

    assert tune.say(first, report(1, "done")) == STOP
    second.status = TuneTrial.RUNNING
    assert tune.say(second, report(1, "done")) == GO_ON


@pytest.fixture
def on_gpu(tune: Tune) -> Tune:
    """The same sweep, a quarter of a card for each trial."""
    job = make_job(
        search={"trials": 4}, resources={"gpu": 0.25}, model={"units": "{int: {min: 1, max: 1000}}"}
    )
    del tune  # but for what it has put in Ray's place
    return Tune(fresh_conductor(job), resources=job.resources)


def test_a_trial_that_needs_more_of_a_card_gets_a_tune_trial_of_its_own(on_gpu: Tune) -> None:
    on_gpu.place()
    first, second = on_gpu.placed
    assert first.recur_room == {"CPU": 1, "GPU": 0.25}

    assert on_gpu.say(first, {"say": "failed", "error": "OOM", "exhausted": True}) == STOP
    assert on_gpu.say(second, report(1)) == GO_ON

    assert on_gpu.place() == ["00000", "00001", "00000"]
    third = on_gpu.placed[-1]
    assert third.recur_room == {"CPU": 1, "GPU": 0.5}
    assert third.config["process"]["gpu"] == 0.5
    assert on_gpu.say(third, report(1, "done")) == STOP  # the next leg is no larger than usual
    assert on_gpu.place()[-1] == "00002"
    assert on_gpu.placed[-1].recur_room == {"CPU": 1, "GPU": 0.25}


@pytest.mark.parametrize(("why", "room"), [({"exhausted": True}, 2), ({}, 1)])
def test_a_trial_whose_process_the_system_killed_for_want_of_memory_gets_more_room(
    tune: Tune, why: dict[str, Any], room: int
) -> None:
    """One that was killed by hand does not."""
    tune.conductor.widest = 4
    tune.place()

    tune.say(tune.placed[0], {"say": "died", "error": "killed"} | why)
    tune.say(tune.placed[1], report(1, "done"))
    tune.place()

    again = next(each for each in reversed(tune.placed) if each.recur_trial == "00000")
    assert again.recur_room == {"CPU": room}


def test_a_trial_that_fails_for_another_reason_is_not_tried_again(on_gpu: Tune) -> None:
    on_gpu.place()

    assert on_gpu.say(on_gpu.placed[0], {"say": "failed", "error": "ValueError"}) == GO_ON

    assert on_gpu.conductor.results.trials["00000"].state == "failed"
