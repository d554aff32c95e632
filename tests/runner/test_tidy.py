"""Checkpoints go as soon as nobody can need them, and sooner where the disk is limited."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.storage import Storage, SweepFolder
from jobs.report import EpochReport
from runner.conductor import Conductor
from runner.tidy import Tidy
from runner.writer import Journal
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import make_job
from tests.runner.events import end
from tests.runner.pool import Lines, fresh_conductor, make_conductor, start_of
from tests.runner.sweeps import journal

SIZE = 1_000  # bytes of a state and of a model


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return Storage.open(str(tmp_path)).sweep("a")


@pytest.fixture
def conductor() -> Conductor:
    """Three trials of Hyperband have paused at epoch 1 with scores 0.3, 0.2 and 0.1; a fourth runs."""
    job = make_job(
        search={"scheduler": "hyperband", "factor": 3},
        train={"max_epochs": 9},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )
    found = fresh_conductor(job)
    for score in (0.3, 0.2, 0.1):
        leg = found.next_leg()
        assert leg is not None
        found.on_report(leg.trial, EpochReport(1, score, score, 1, {}, 1.0, None))
    assert found.next_leg() is not None
    return found


def keep(folder: SweepFolder, *trials: str) -> None:
    for trial in trials:
        folder.write(folder.state(trial), bytes(SIZE))
        folder.write(folder.model(trial, 1), bytes(SIZE))


def standing(folder: SweepFolder) -> dict[str, int]:
    """The trials that have a checkpoint, and how many files there are in it."""
    return {trial: size // SIZE for trial, size in folder.checkpoint_sizes().items()}


ALL = ("00000", "00001", "00002", "00003")


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        (8, {"00000": 2, "00001": 2, "00002": 2, "00003": 2}),
        (7, {"00000": 1, "00001": 2, "00002": 2, "00003": 2}),
        (5, {"00000": 1, "00001": 1, "00002": 1, "00003": 2}),
        (0, {"00000": 1, "00001": 1, "00002": 1, "00003": 1}),  # models stay: any may yet be the best
    ],
)
def test_the_worst_trials_that_wait_give_up_their_states_first(
    folder: SweepFolder, conductor: Conductor, limit: int, left: dict[str, int]
) -> None:
    keep(folder, *ALL)

    Tidy(folder, conductor, None).make_room(limit * SIZE)

    assert standing(folder) == left


def test_a_limit_is_looked_at_now_and_then(folder: SweepFolder, conductor: Conductor) -> None:
    tidy = Tidy(folder, conductor, 6 * SIZE)
    keep(folder, *ALL)

    tidy.tidy()
    assert standing(folder) == {"00000": 1, "00001": 1, "00002": 2, "00003": 2}
    keep(folder, *ALL)
    tidy.tidy()

    assert set(standing(folder).values()) == {2}  # the next look comes some seconds later


def test_what_the_decisions_left_over_goes(folder: SweepFolder, conductor: Conductor) -> None:
    keep(folder, *ALL)
    conductor.state.beaten.append("00001")
    conductor.state.kept.append("00002")

    Tidy(folder, conductor, None).tidy()

    assert standing(folder) == {"00000": 2, "00002": 1, "00003": 2}


def test_the_best_trial_of_before_stays_until_the_next_ones_model_is_there(
    folder: SweepFolder, conductor: Conductor
) -> None:
    """What was journaled may, after a crash, be trained again without a model that is as good."""
    tidy = Tidy(folder, conductor, None)
    keep(folder, "00000", "00001", "00002")
    conductor.state.kept.append("00000")
    tidy.tidy()
    folder.delete(folder.checkpoint("00001"))

    conductor.state.kept.append("00001")
    conductor.state.beaten.append("00000")
    tidy.tidy()
    assert standing(folder) == {"00000": 1, "00002": 2}

    conductor.state.kept.append("00002")
    conductor.state.beaten.append("00001")
    tidy.tidy()
    assert standing(folder) == {"00000": 1, "00002": 1}  # the end takes the other away


def test_a_checkpoint_stays_until_the_decision_against_it_is_durable(conductor: Conductor) -> None:
    """The decision may be in memory only, and the process killed: then the trial would begin again."""
    store = ObjectStore()
    folder = open_object_store(store).sweep("a")
    keep(folder, *ALL)
    journal = Journal(folder)
    tidy = Tidy(folder, conductor, None, journal)
    store.down = "no route to host"
    journal.append(end(1))
    conductor.state.beaten.append("00001")
    conductor.state.kept.append("00002")
    before = dict(store.objects)

    for _ in range(10):
        tidy.tidy()
        time.sleep(0.1)
    assert store.objects == before

    store.down = None
    journal.flush()
    tidy.tidy()
    assert not folder.files(folder.checkpoint("00001"))
    assert folder.files(folder.checkpoint("00002")) == ["model-000001.keras"]
    journal.close()


def test_a_storage_that_is_away_is_tidied_later(
    folder: SweepFolder, conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(folder, *ALL)
    tidy = Tidy(folder, conductor, 0.0)
    conductor.state.beaten.append("00001")

    def away(*_: object) -> None:
        raise ClusterError("no route to host")

    with monkeypatch.context() as patch:
        for name in ("delete", "checkpoint_sizes"):
            patch.setattr(SweepFolder, name, away)
        tidy.tidy()
    assert len(standing(folder)) == 4

    tidy.tidy()
    assert standing(folder) == {"00000": 1, "00002": 1, "00003": 1}


def test_at_the_end_only_the_published_model_stays(folder: SweepFolder, conductor: Conductor) -> None:
    keep(folder, *ALL, "00099")
    folder.write(folder.model("00002", 7), bytes(SIZE))

    Tidy(folder, conductor, None).finish("00002", 7)

    assert standing(folder) == {"00002": 2}
    assert folder.models_of("00002") == [("00002", 7)]


def test_a_trial_that_begins_once_more_keeps_what_it_saves(folder: SweepFolder) -> None:
    """Also when the sweep is resumed after that."""
    job = make_job(
        search={"promotion": True, "trials": 4},
        train={"max_epochs": 9},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )
    first = fresh_conductor(job)
    leg = first.next_leg()
    assert leg is not None
    first.on_failed(leg.trial, "the disk is full")
    log = Lines([*journal(first), start_of(job)])
    second = make_conductor(job, list(log), log)
    second.retry()
    again = second.next_leg()
    assert again is not None
    assert again.trial == leg.trial
    second.on_report(leg.trial, EpochReport(1, 0.1, 0.1, 1, {}, 1.0, None))
    folder.write(folder.state(leg.trial), b"to go on from")

    third = make_conductor(job, [*log, start_of(job)], Lines())
    Tidy(folder, third, None).tidy()

    assert folder.exists(folder.state(leg.trial))
