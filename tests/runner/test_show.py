"""What commands print for people."""

from __future__ import annotations

import pytest

from cluster.storage import Storage
from runner.results import Results
from runner.show import clock, differing, epochs, number, print_trials, short, status_json, value
from tests.runner.events import end, finish, start, trained, trial


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (61, "1m 01s"),
        (3599.7, "1h 00m"),
        (3661, "1h 01m"),
        (90_000, "25h 00m"),
    ],
)
def test_a_length_of_time(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "-"), (0, "0"), (12345, "12345"), (0.3333, "0.33"), (4.0, "4")]
)
def test_a_number_of_epochs(count: float | None, shown: str) -> None:
    assert epochs(count) == shown


@pytest.mark.parametrize(
    ("score", "shown"), [(None, "-"), (0.123456, "0.1235"), (12345.6, "1.235e+04"), (1.0, "1")]
)
def test_a_score(score: float | None, shown: str) -> None:
    assert number(score) == shown


@pytest.mark.parametrize(
    ("found", "shown"),
    [(None, "-"), (0.00123456, "0.00123"), (64, "64"), ("gru", "gru"), (True, "True"), (0.0, "0")],
)
def test_a_hyperparameters_value(found: object, shown: str) -> None:
    assert value(found) == shown


def test_a_hyperparameters_name_without_its_section() -> None:
    assert short("model.units.1") == "units.1"


def test_only_what_differs_is_shown() -> None:
    results = Results([start(), trial(0, cell="gru", units=8), trial(1, cell="gru", units=4, deep=1)])
    trials = list(results.trials.values())

    assert differing(trials) == ["units", "deep"]
    assert differing(trials[:1]) == ["cell", "units"]
    assert differing([]) == []


def test_a_status_has_the_contracts_keys(storage: Storage) -> None:
    events = [
        start(10.0) | {"planned": 5},
        trial(0),
        trial(1),
        *trained(0, 0.5, 0.25),
        end(0),
        finish("interrupted", 14.04),
    ]

    assert status_json(storage.sweep("a"), Results(events)) == {
        "sweep": "a",
        "state": "interrupted",
        "planned": 5,
        "trials": {
            "done": 1,
            "running": 0,
            "paused": 0,
            "stopped_early": 0,
            "diverged": 0,
            "failed": 0,
            "pending": 1,
        },
        "best_score": 0.25,
        "epochs_trained": 2,
        "seconds": 4.0,
    }


def test_what_ails_a_trial_stands_in_the_table_where_anything_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ill = {"gradient_norm": 1.0, "gradient_norm_max": 1.0, "dead_units": 0.75}
    events = [start(), trial(0), trial(1), *(event | {"vitals": ill} for event in trained(1, 0.5))]
    trials = list(Results(events).trials.values())

    print_trials(trials[:1], [], "Well")
    well = capsys.readouterr().out
    print_trials(trials, [], "Ill")

    assert "diagnosis" not in well
    assert capsys.readouterr().out.splitlines()[-1].endswith("75% of the ReLU units are dead")
