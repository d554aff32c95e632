"""What a journal adds up to."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.errors import ClusterError
from runner.journal import Event
from runner.results import Results
from runner.table import trials_parquet
from runner.trial import STATES
from tests.runner.events import end, finish, leg, pause, start, trained, trial


def table_of(*events: Event) -> pa.Table:
    return pq.read_table(io.BytesIO(trials_parquet(Results(events))))


def counts(**states: int) -> dict[str, int]:
    return dict.fromkeys(STATES, 0) | states


def test_a_trial_goes_through_its_states() -> None:
    results = Results([start(), trial(0)])
    assert results.trials["00000"].state == "pending"

    for event, state in [
        (leg(0), "running"),
        (trained(0, 0.5)[0], "running"),
        (pause(0), "paused"),
        (leg(0, 1), "running"),
        (end(0, "stopped_early"), "stopped_early"),
    ]:
        results.apply(event)
        assert results.trials["00000"].state == state


def test_trials_are_counted_by_state() -> None:
    results = Results([start(), *(trial(n) for n in range(7)), *(leg(n) for n in range(6))])
    for event in [end(0), end(1, "failed", "no"), end(2, "diverged"), end(3, "stopped_early"), pause(4)]:
        results.apply(event)

    assert results.counts() == dict.fromkeys(STATES, 1)
    assert (results.ended, results.failed) == (4, 1)
    assert [t.error for t in results.failures()] == ["no"]


def test_the_best_is_the_best_epoch_and_not_the_last() -> None:
    results = Results([start(), trial(0), leg(0), *trained(0, 0.5, 0.2, 0.4, None), end(0, "diverged")])

    best = results.best()

    assert best is not None
    assert (best.score, best.epoch, best.epochs_trained) == (0.2, 2, 4)
    assert best.metrics == {"val_loss": 0.2, "loss": 0.5}
    assert list(best.history) == [(1, 0.5), (2, 0.2), (3, 0.4), (4, None)]


def test_of_equal_trials_the_earlier_is_the_better() -> None:
    events = [start(), *(trial(n) for n in range(3)), *trained(2, 0.3), *trained(1, 0.3), *trained(0, 0.4)]

    assert [t.number for t in Results(events).ranked()] == [1, 2, 0]
    for most in range(5):
        assert Results(events).ranked(most) == Results(events).ranked()[:most]
    best = Results(events).best()
    assert best is not None
    assert best.number == 1


def test_a_failed_trial_and_one_without_a_score_are_never_the_best() -> None:
    results = Results(
        [start(), trial(0), trial(1), trial(2), *trained(0, 0.1), end(0, "failed", "x"), *trained(1, None)]
    )

    assert results.best() is None
    assert results.ranked() == []
    results.apply(trained(2, 0.9)[0])
    assert [t.number for t in results.ranked()] == [2]


def test_the_rung_is_the_last_epoch_that_the_scheduler_decided_after() -> None:
    results = Results([start(), trial(0), *trained(0, 0.5, 0.4, 0.3, 0.2, rungs=(1, 3))])

    assert results.trials["00000"].rung == 3


@pytest.mark.parametrize("state", ["done", "interrupted", "failed", "stopped"])
def test_a_finished_process_leaves_its_state_and_nothing_running(state: str) -> None:
    results = Results([start(), trial(0), trial(1), leg(0), leg(1), *trained(0, 0.5), finish(state)])

    assert results.state == state
    assert results.counts() == counts(paused=1, pending=1)


def test_a_process_that_died_is_seen_by_the_next_start_or_by_the_reader() -> None:
    events = [start(), trial(0), trial(1), leg(0), leg(1), *trained(0, 0.5)]
    assert Results(events).counts() == counts(running=2)

    read = Results(events)
    read.mark_interrupted()

    assert (read.state, read.counts()) == ("interrupted", counts(paused=1, pending=1))
    again = Results([*events, start()])
    assert (again.state, again.counts()) == ("running", counts(paused=1, pending=1))
    assert Results().state == "interrupted"


def test_seconds_are_those_of_all_processes_up_to_their_last_sign_of_life() -> None:
    """The second one died without a word; between processes nothing counts."""
    events: list[Event] = [
        start(100.0),
        trial(0) | {"time": 104.0},
        finish("interrupted", 110.0),
        start(500.0),
        leg(0) | {"time": 501.0},
        trained(0, 0.5)[0] | {"time": 507.0},
        start(900.0),
        end(0) | {"time": 903.0},
        finish("done", 904.0),
    ]

    assert Results(events).seconds == 10 + 7 + 4
    assert Results(events).trials["00000"].seconds == 2.5
    assert Results(events).epochs_trained() == 1


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    assert Results([start(100.0), trial(0) | {"time": 90.0}, finish("done", 95.0)]).seconds <= 5.0


def test_a_later_versions_event_is_passed_over() -> None:
    results = Results([start(), {"event": "compacted", "upto": 3}, trial(0)])

    assert list(results.trials) == ["00000"]


def test_a_trial_as_json() -> None:
    results = Results([start(), trial(0, **{"model.units": 8}), *trained(0, 0.5, 0.25, rungs=(1,))])

    assert results.trials["00000"].to_json() == {
        "id": "00000",
        "state": "pending",
        "score": 0.25,
        "spread": None,
        "epoch": 2,
        "epochs_trained": 2,
        "rung": 1,
        "seconds": 5.0,
        "hyperparameters": {"model.units": 8},
        "vitals": {},
        "diagnosis": None,
        "error": None,
    }


def test_a_trials_vitals_are_the_last_epochs_and_are_judged_by_the_firsts() -> None:
    first, last = trained(0, 0.5, 0.25)
    before = {"gradient_norm": 1.0, "gradient_norm_max": 1.5, "dead_units": 0.0}
    after = {"gradient_norm": 1200.0, "gradient_norm_max": 1500.0, "dead_units": 0.0}
    events = [start(), trial(0), first | {"vitals": before}, last | {"vitals": after}]

    found = Results(events).trials["00000"].to_json()

    assert found["vitals"] == after
    assert found["diagnosis"] == "exploding gradients (up to 1.5e+03, 1.2e+03 on average)"
    assert table_of(*events)["diagnosis"].to_pylist() == [found["diagnosis"]]


def test_the_tables_columns_and_rows() -> None:
    table = table_of(
        start(),
        trial(0, **{"model.layers": 1, "model.units.0": 8, "train.learning_rate": 0.01}),
        trial(1, **{"model.layers": 2, "model.units.0": 4, "model.units.1": 16, "train.learning_rate": 1.0}),
        *trained(1, 0.5, 0.25, 0.3, rungs=(1, 3)),
        end(1, "failed", "out of memory"),
    )

    names = ["id", "state", "rung", "score", "spread", "epoch", "epochs_trained", "seconds"]
    numbers = [pa.int64(), pa.float64(), pa.float64(), pa.int64(), pa.int64(), pa.float64()]
    kinds = [pa.string(), pa.string(), *numbers]
    searched = ["hp.model.layers", "hp.model.units.0", "hp.train.learning_rate", "hp.model.units.1"]
    assert table.schema.names == [*names, *searched, "diagnosis", "error"]
    assert table.schema.types == [
        *kinds,
        *(pa.int64(), pa.int64(), pa.float64(), pa.int64()),
        *(pa.string(), pa.string()),
    ]
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["00000", "pending", 0, None, None, None, 0, 0.0, 1, 8, 0.01, None, None, None],
        ["00001", "failed", 3, 0.25, None, 2, 3, 7.5, 2, 4, 1.0, 16, None, "out of memory"],
    ]


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ([1, "auto"], pa.string(), ["1", "auto"]),
        ([True, 2], pa.string(), ["True", "2"]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([2.5, 1], pa.float64(), [2.5, 1.0]),
        ([True, False], pa.bool_(), [True, False]),
        ([None, "a"], pa.string(), [None, "a"]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_a_column_has_one_type(values: list[Any], kind: pa.DataType, shown: list[Any]) -> None:
    table = table_of(start(), *(trial(n, choice=value) for n, value in enumerate(values)))

    assert table.schema.field("hp.choice").type == kind
    assert table["hp.choice"].to_pylist() == shown


def test_a_sweep_without_trials_has_an_empty_table() -> None:
    table = table_of(start())

    assert table.num_rows == 0
    assert table.column_names[0] == "id"
    assert table.column_names[-1] == "error"


@pytest.mark.parametrize(
    "name", ["../../etc", "..", "/etc", "a/b", "", ".hidden", "x\\y", "x\0", 7, None, ["00000"]]
)
def test_a_trial_whose_name_could_be_another_place_is_refused(name: Any) -> None:
    with pytest.raises(ClusterError) as error:
        Results([start(), trial(0) | {"trial": name}])

    assert str(error.value) == (
        f"the journal names a trial {str(name)!r}, as Recur names none; it is not read: restore it from a "
        "copy, or begin again with --fresh"
    )
