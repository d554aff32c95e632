"""An actor that trains one leg after another, over a virtual training process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner import owner as owner_module
from runner.actor import LegRunner
from tests.runner.virtual_process import Virtual, report


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
