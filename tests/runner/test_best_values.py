"""A trial that went on with another's hyperparameters is known by those of its best epoch."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.storage import Storage, SweepFolder
from jobs.fidelity import PASSES
from jobs.space import Values
from runner.beginning import Source, beginning
from runner.journal import Event
from runner.publish import best_model, origin_of, publish_best
from runner.results import Results
from runner.show import best_json
from runner.summary import Encoder, keep, read_summary
from runner.table import trials_parquet
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import SEEDS, TROUBLE, WORKERS, make_job
from tests.runner.events import leg, start, trained, trial, write
from tests.runner.sweeps import go_on, job_of, journal, new_pool
from tests.runner.test_publish import panel

JOB = make_job(
    window={"lookback": "{int: {min: 1, max: 9}}"},
    train={"learning_rate": "{float: {min: 0.001, max: 0.1}}"},
    search={"scheduler": "pbt"},
)
OWN: Values = {"window.lookback": 3, "train.learning_rate": 0.01}
TAKEN: Values = {"window.lookback": 7, "train.learning_rate": 0.012}
LATER: Values = {"window.lookback": 5, "train.learning_rate": 0.02}


def exploit(values: Values) -> Event:
    return {"event": "exploit", "trial": "00000", "donor": "00001", "values": values}


def swapped(*scores: float) -> list[Event]:
    """Of a trial that took over other values after its second epoch, and again after its fourth."""
    events = trained(0, *scores)
    return [
        *(start(), trial(0, **OWN), leg(0), *events[:2], exploit(TAKEN), leg(0, 2), *events[2:4]),
        *([exploit(LATER), leg(0, 4), *events[4:]] if len(events) > 4 else []),
    ]


def in_force(events: list[Event]) -> dict[str, Values]:
    """What each trial trained with when it had its best score."""
    now: dict[str, Values] = {}
    best: dict[str, tuple[float, Values]] = {}
    for event in events:
        name = event.get("trial", "")
        if event["event"] in {"trial", "exploit"}:
            now[name] = event["values"]
        score = event.get("score")
        if score is not None and (name not in best or score < best[name][0]):
            best[name] = score, now[name]
    return {name: values for name, (_, values) in best.items()}


@settings(deadline=None, max_examples=60)
@given(SEEDS, WORKERS, TROUBLE, st.integers(0, 80))
def test_the_best_is_shown_with_the_values_of_its_best_epoch(
    seed: int, workers: int, trouble: float, steps: int
) -> None:
    """By the live sweep, by a replay of its journal and by a summary of that."""
    job = job_of("pbt", trials=9)
    pool = new_pool(job, seed, workers, trouble)
    pool.run(steps)
    pool = go_on(job, pool, journal(pool.conductor), workers)
    pool.run()
    events = list(journal(pool.conductor))
    folder = open_object_store(ObjectStore()).sweep("a")
    write(folder, 1, *events[: len(events) // 2])
    keep(folder, read_summary(folder), Encoder())
    write(folder, 2, *events[len(events) // 2 :])
    keep(folder, read_summary(folder), Encoder())

    expected = in_force(events)

    for results in (pool.conductor.results, Results(events), read_summary(folder).results):
        assert vars(results) == vars(Results(events))
        assert {t.id: t.best_values for t in results.trials.values() if t.epoch} == expected


@pytest.mark.parametrize(
    ("scores", "best", "values"),
    [
        ((0.5, 0.2, 0.4, 0.3), 2, OWN),
        ((0.5, 0.4, 0.1, 0.3), 3, TAKEN),
        ((0.5, 0.4, 0.2, 0.3, 0.4), 3, TAKEN),
        ((0.5, 0.4, 0.2, 0.3, 0.1), 5, LATER),
    ],
)
def test_every_reader_is_told_the_values_of_the_best_epoch(
    storage: Storage, scores: tuple[float, ...], best: int, values: Values
) -> None:
    folder = storage.sweep("a")
    results = Results(swapped(*scores))
    found = results.best()
    assert found is not None

    assert (found.epoch, found.best_values) == (best, values)
    assert found.to_json()["hyperparameters"] == values
    assert {name: best_json(folder, JOB, found)["hyperparameters"][name] for name in values} == values
    row = pq.read_table(io.BytesIO(trials_parquet(results))).to_pylist()[0]
    assert {name: row[f"hp.{name}"] for name in values} == values


@pytest.mark.parametrize(("epoch", "values"), [(2, OWN), (3, TAKEN), (5, LATER)])
def test_a_published_model_has_the_values_and_the_windows_of_its_own_epoch(
    folder: SweepFolder, epoch: int, values: Values
) -> None:
    """Which is the best that is on storage, and may be older than the best that was seen."""
    results = Results(swapped(0.5, 0.3, 0.2, 0.4, 0.1))
    folder.write(folder.model("00000", epoch), b"model")
    found = best_model(folder, results)
    assert found is not None

    publish_best(folder, JOB, found, origin_of(JOB, panel(), found, results), None)

    published: dict[str, Any] = json.loads(folder.read(folder.best("hyperparameters.json")))
    assert {name: published[name] for name in values} == values
    signature = json.loads(folder.read(folder.best("signature.json")))
    assert signature["inputs"][0]["shape"] == [None, values["window.lookback"], 1]


def test_a_later_sweep_learns_which_values_had_which_score(folder: SweepFolder) -> None:
    results = Results(swapped(0.5, 0.4, 0.2, 0.3, 0.1))
    job = make_job(
        window={"lookback": "{int: {min: 1, max: 9}}"},
        train={"learning_rate": "{float: {min: 0.001, max: 0.1}}"},
        search={"scheduler": "asha", "algorithm": "tpe"},
    )

    given_ = beginning(job, [Source(folder, JOB, results)], (1, 3, 4), PASSES)

    assert given_["configurations"][1:] == [{"values": LATER, "source": "a/00000"}]
    assert given_["evidence"] == [
        {"values": OWN, "epoch": 1, "score": 0.5},
        {"values": TAKEN, "epoch": 3, "score": 0.2},
        {"values": TAKEN, "epoch": 4, "score": 0.2},
        {"values": LATER, "epoch": 5, "score": 0.1},
    ]
