"""More of a card or of the cores for trials that run out of memory, and a word on what cuDNN cannot run."""

from __future__ import annotations

from typing import Any

import pytest

from runner.conductor import Conductor
from runner.results import Results
from tests.runner.curves import make_job
from tests.runner.pool import Lines, fresh_conductor, make_conductor
from tests.runner.sweeps import journal


def on_gpu(share: float) -> Conductor:
    units = {"units": "{int: {min: 1, max: 1000}}"}
    job = make_job(search={"trials": 2}, train={"max_epochs": 3}, resources={"gpu": share}, model=units)
    return fresh_conductor(job)


def begun(conductor: Conductor) -> tuple[str, float]:
    leg = conductor.next_leg()
    assert leg is not None
    return leg.trial, leg.gpu


@pytest.mark.parametrize(("share", "more"), [(0.25, 0.5), (0.5, 1.0), (0.75, 1.0)])
def test_a_trial_that_runs_out_of_gpu_memory_runs_again_with_twice_the_share(
    share: float, more: float
) -> None:
    conductor = on_gpu(share)
    assert begun(conductor) == ("00000", share)

    conductor.on_exhausted("00000", "ResourceExhaustedError: OOM")

    trial = conductor.results.trials["00000"]
    assert (trial.state, trial.diagnosis) == ("paused", f"ran out of GPU memory, given {more:g} of a card")
    again = make_conductor(conductor._job, journal(conductor), Lines())  # after a crash, too
    for each in (conductor, again):
        assert begun(each) == ("00000", more)  # before any other
    assert begun(conductor) == ("00001", share)


@pytest.mark.parametrize(("share", "tries"), [(0.25, 2), (1.0, 1)])
def test_only_then_it_fails(share: float, tries: int) -> None:
    conductor = on_gpu(share)

    for _ in range(tries):
        begun(conductor)
        conductor.on_exhausted("00000", "ResourceExhaustedError: OOM")

    trial = conductor.results.trials["00000"]
    assert trial.state == "failed"
    assert trial.error == (
        f"needs more GPU memory than {min(1, share * tries):g} of a card has; lower train.batch_size or the "
        "network, or raise resources.gpu: ResourceExhaustedError: OOM"
    )
    assert begun(conductor)[0] == "00001"


def test_one_that_the_system_killed_for_want_of_memory_has_more_room_once_and_then_is_lost() -> None:
    conductor = fresh_conductor(make_job(search={"trials": 2}, train={"max_epochs": 3}))
    conductor.widest = 4
    rooms = []

    while conductor.results.failed == 0:
        leg = conductor.next_leg()
        assert leg is not None
        rooms.append((leg.trial, leg.cpu))
        conductor.on_exhausted("00000", "killed", killed=True)
        conductor.on_exhausted("00000", "killed", killed=True)  # it had been decided on already

    assert rooms == [("00000", 1), ("00000", 2), ("00000", 2), ("00000", 2)]
    assert conductor.results.trials["00000"].error == "lost its worker 3 times, at last by this: killed"


@pytest.mark.parametrize("resources", [{"cpu": 4}, {"gpu": 0.5}])
def test_one_that_was_killed_and_cannot_have_more_is_lost(resources: dict[str, Any]) -> None:
    conductor = fresh_conductor(make_job(search={"trials": 2}, resources=resources))
    conductor.widest = 4
    conductor.next_leg()

    conductor.on_exhausted("00000", "killed", killed=True)

    trial = conductor.results.trials["00000"]
    assert (trial.state, trial.stuck, trial.gpu, trial.cpu) == ("paused", 1, None, None)


def test_trials_that_cudnn_cannot_run_are_named_on_a_gpu_only() -> None:
    for share, said in ((0.5, "slower than by cuDNN: layer 1 is a simple_rnn"), (0.0, None)):
        job = make_job(search={"trials": 1}, resources={"gpu": share}, model={"cell": "simple_rnn"})
        conductor = fresh_conductor(job)
        begun(conductor)

        assert Results(journal(conductor)).trials["00000"].diagnosis == said
