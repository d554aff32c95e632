"""Searches by every algorithm, and what they ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from jobs.fidelity import PASSES
from jobs.params import space_of
from jobs.space import Values
from jobs.spec import Job
from runner.conductor import Conductor
from runner.schedulers.choice import make_scheduler
from runner.searchers.choice import make_searcher
from runner.searchers.novelty import key
from runner.searchers.rule import Searcher
from tests.runner.curves import make_job
from tests.runner.sweeps import EPOCHS

ALGORITHMS = ["random", "grid", "bayesian", "tpe", "hyperband"]
SEARCHERS = st.sampled_from(ALGORITHMS)
LEARNERS = ["bayesian", "tpe"]
DEEP: dict[str, Any] = {
    "cell": "{choice: [gru, lstm]}",
    "layers": "{int: {min: 1, max: 2}}",
    "units": "{int: {min: 4, max: 64, step: 4}}",
    "per_layer": "true",
}
FEW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def job_of(algorithm: str, trials: int = 16, seed: int = 0, model: dict[str, Any] = DEEP) -> Job:
    search = {"algorithm": algorithm, "seed": seed}
    if algorithm != "hyperband":
        search |= {"trials": trials, "scheduler": "asha"}
    return make_job(model=model, train={"max_epochs": EPOCHS}, search=search)


def searcher_of(job: Job) -> Searcher:
    return make_searcher(job, space_of(job), make_scheduler(job, PASSES))


def asked(conductor: Conductor) -> Values | None:
    return conductor._searcher.ask(len(conductor.results.trials))


def configurations(conductor: Conductor) -> list[Values]:
    return [trial.values for trial in conductor.results.trials.values()]


def distinct(values: Sequence[Values]) -> int:
    return len({key(each) for each in values})
