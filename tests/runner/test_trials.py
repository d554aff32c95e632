"""Legs as trials of Ray Tune, under a virtual one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler

from runner import trials as module
from runner.exam import Exam
from tests.runner.curves import make_job
from tests.runner.pool import fresh_conductor
from tests.runner.virtual_process import report
from tests.runner.virtual_tune import Tune

GO_ON, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


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


@pytest.mark.parametrize(("node", "gone"), [(False, "its worker went away"), (True, "its node went away")])
def test_an_actor_that_is_gone_loses_the_leg_it_had_last(tune: Tune, node: bool, gone: str) -> None:  # noqa: FBT001
    tune.node_lost = node
    tune.place()
    first = tune.placed[0]
    tune.say(first, report(1, "done"))

    tune.scheduler.on_trial_error(None, first)

    states = [trial.state for trial in tune.conductor.results.trials.values()]
    assert states == ["done", "running", "paused"]
    assert tune.conductor.results.trials["00002"].lost == gone
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


def test_all_that_could_run_is_wanted_and_no_more_when_there_is_nothing_to_run(tune: Tune) -> None:
    tune.place()
    assert tune.wanted == 4  # trials, of which two run
    tune.workers = 8
    tune.place()
    assert (len(tune.placed), tune.wanted) == (4, 4)

    assert tune.say(tune.placed[0], report(1, "done")) == STOP
    tune.place()
    assert tune.wanted == 3
    tune.conductor.stop()
    tune.place()
    assert tune.wanted == 3


def test_what_waits_for_another_decision_is_not_wanted(tune: Tune) -> None:
    """Nothing more can be begun before some trial comes to a rung."""
    job = make_job(
        search={"trials": 2, "scheduler": "asha", "factor": 2, "promotion": True},
        train={"max_epochs": 8},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )
    tune = Tune(fresh_conductor(job), workers=4)
    tune.place()
    assert len(tune.placed) == tune.wanted == 2
    assert tune.say(tune.placed[0], report(1)) == STOP
    tune.place()
    assert tune.wanted == 1


def test_an_exam_that_loses_its_worker_is_given_to_another(tune: Tune) -> None:
    """As a trial is, and by a Tune trial of its own where the first has ended with its actor."""
    del tune  # but for what it has put in Ray's place
    order = {"do": "score", "trial": "the best", "gpu": 0.0, "cpu": 1}
    exam = Exam(lambda: order)
    again = Tune(fresh_conductor(make_job(search={"trials": 1})), exam=exam)
    again.place()
    assert again.say(again.placed[0], report(1, "done")) == GO_ON
    assert again.placed[0].recur_trial == Exam.NAME

    assert again.say(again.placed[0], {"say": "died", "error": "hung for 600 s"}) == GO_ON
    assert again.placed[0].temporary_state.ray_actor.taken == ["the best", "the best"]
    again.scheduler.on_trial_error(None, again.placed[0])
    assert again.place() == [Exam.NAME, Exam.NAME]
    assert not again.source.is_finished()
    assert again.say(again.placed[1], {"say": "scored", "scores": None}) == STOP

    assert again.source.is_finished()
    assert exam.error is None
