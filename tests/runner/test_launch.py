"""From what a user typed to a sweep that may run; nothing is written before all of it is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.lease import OWN_FILES, Lease, lease_holder
from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.jobfile import dump_job
from jobs.spec import Job
from runner.journal import Event
from runner.launch import (
    Standing,
    check_standing,
    claimed,
    find_sweep,
    open_storage,
    read_job,
    read_results,
    read_spec,
)
from runner.stopping import StopRequest
from runner.writer import Journal
from tests.runner.curves import JOB, make_job
from tests.runner.events import end, finish, leg, start, trained, trial
from tests.runner.pool import fresh_conductor


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no storage in the environment."""
    monkeypatch.delenv("RECUR_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_sweep(
    storage: Storage, name: str, job: Job | None = None, events: list[Event] | None = None
) -> SweepFolder:
    folder = storage.sweep(name)
    folder.write(folder.SPEC, dump_job(job or make_job()).encode())
    journal = Journal(folder)
    for event in events or []:
        journal.append(event)
    journal.close()
    return folder


def claim(standing: Standing, job: Job, *, fresh: bool) -> None:
    with claimed(standing, job, fresh=fresh):
        assert lease_holder(standing.folder)
        assert read_spec(standing.folder)


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_storage_is_the_options_the_environments_the_jobs_or_the_default(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job().model_copy(update={"storage": "from-job"})

    assert open_storage(None).uri == str(here / "sweeps")
    assert open_storage(None, make_job()).uri == str(here / "sweeps")
    assert open_storage(None, job).uri == str(here / "from-job")
    monkeypatch.setenv("RECUR_STORAGE", "from-environment")
    assert open_storage(None, job).uri == str(here / "from-environment")
    assert open_storage("asked", job).uri == str(here / "asked")
    assert list(here.iterdir()) == []


def test_a_sweep_is_found_by_name_folder_or_uri(here: Path) -> None:
    folder = put_sweep(Storage.open("sweeps"), "a")

    assert find_sweep("a", None) == folder
    assert find_sweep("a", "sweeps") == folder
    assert find_sweep("sweeps/a", None) == folder
    assert find_sweep(f"{here}/sweeps/a/", "elsewhere") == folder
    assert find_sweep(f"file://{here}/sweeps/a", None).path("x") == folder.path("x")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("etth1-24", "did you mean etth1-24h"),
        ("nothing", "it holds etth1-24h, gru"),
        ("../gru", None),
        (".", "it holds etth1-24h, gru"),
    ],
)
def test_a_sweep_that_is_not_there_is_an_error_with_a_hint(here: Path, asked: str, hint: str | None) -> None:
    for name in ("etth1-24h", "gru"):
        put_sweep(Storage.open("sweeps"), name)

    with pytest.raises(ClusterError) as error:
        find_sweep(asked, None)

    assert str(error.value) == (
        f"no sweep {asked!r} in {here}/sweeps ({hint}); --storage names another place"
        if hint
        else f"{asked} is no sweep's folder: it has no spec.yaml; see: recur list"
    )


def test_an_empty_storage_holds_none(here: Path) -> None:
    with pytest.raises(ClusterError) as error:
        find_sweep("a", None)

    assert str(error.value) == f"no sweep 'a' in {here}/sweeps (it holds none); --storage names another place"
    assert list(here.iterdir()) == []


def test_the_options_change_the_job(here: Path) -> None:
    (here / "job.yaml").write_text(JOB)

    job = read_job(here / "job.yaml", ["train.max_epochs=3"], name="mine", trials=4)

    assert (job.name, job.train.max_epochs, job.search.trials) == ("mine", 3, 4)
    assert job.data.path == str(here / "data")


def test_a_name_that_is_free_is_claimed(storage: Storage) -> None:
    job = make_job()

    standing = check_standing(storage.sweep("virtual"), job, fresh=False)
    assert (standing.exists, standing.results.trials) == (False, {})
    assert storage.sweeps() == []
    claim(standing, job, fresh=False)

    assert read_spec(storage.sweep("virtual")) == job


def test_the_same_job_again_goes_on_with_its_sweep(storage: Storage) -> None:
    job = make_job()
    events = [start(), trial(0), leg(0), *trained(0, 0.5)]
    folder = put_sweep(storage, "virtual", job, events)

    standing = check_standing(folder, job.model_copy(update={"storage": "moved"}), fresh=False)
    claim(standing, job, fresh=False)

    assert standing.exists
    assert (standing.results.state, standing.results.counts()["paused"]) == ("interrupted", 1)
    assert read_results(folder).trials == standing.results.trials


@pytest.mark.parametrize(
    ("before", "more", "planned", "all_of_them"),
    [
        ({"trials": 1}, {"trials": 3}, 1, 3),
        ({"trials": 1}, {"trials": 300}, 1, 100),  # all that the space holds
        ({"algorithm": "grid", "trials": 40}, {"algorithm": "grid", "trials": 60}, 40, 60),
        (
            {"scheduler": "hyperband"},
            {"scheduler": "hyperband", "hyperband_iterations": 2},
            17,
            34,
        ),
    ],
)
def test_an_extension_is_not_lost_when_its_process_dies_before_it_begins(
    storage: Storage, before: dict[str, Any], more: dict[str, Any], planned: int, all_of_them: int
) -> None:
    units = {"units": "{int: {min: 1, max: 100}}"}
    old, new = (make_job(search=search, train={"max_epochs": 9}, model=units) for search in (before, more))
    done = [trial(0), end(0), finish("done")]
    folder = put_sweep(storage, "virtual", old, [start() | {"planned": planned}, *done])
    assert check_standing(folder, old, fresh=False).finished
    claim(check_standing(folder, new, fresh=False), new, fresh=False)  # and it is killed

    assert not check_standing(folder, new, fresh=False).finished

    journal = Journal(folder)
    for event in [start() | {"planned": all_of_them}, finish("done")]:
        journal.append(event)
    journal.close()
    assert check_standing(folder, new, fresh=False).finished


def test_a_name_taken_by_another_job_names_the_fields_that_differ(storage: Storage, here: Path) -> None:
    folder = put_sweep(storage, "virtual", make_job())
    other = make_job(train={"max_epochs": 7}, search={"seed": 3}, model={"units": "{int: {min: 1, max: 2}}"})
    before = everything(here)

    with pytest.raises(JobError) as error:
        check_standing(folder, other, fresh=False)

    assert str(error.value) == (
        f"the name virtual is taken in {storage.uri} by a job that differs in model.units, train.max_epochs, "
        "search.seed; choose another --name, or replace that sweep with --fresh"
    )
    assert everything(here) == before


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ({"build": "nets:build"}, {}, "model"),
        ({}, {"build": "nets:build"}, "model"),
        ({"units": "{int: {min: 1, max: 9}}"}, {"units": "{choice: [1, 9]}"}, "model.units"),
        ({"units": "{choice: [1, 9]}"}, {"units": "{int: {min: 1, max: 9}}"}, "model.units"),
    ],
)
def test_a_field_of_another_kind_has_changed_itself(
    storage: Storage, before: dict[str, Any], after: dict[str, Any], field: str
) -> None:
    put_sweep(storage, "virtual", make_job(model=before))

    with pytest.raises(JobError, match=rf"by a job that differs in {field}; choose another --name"):
        check_standing(storage.sweep("virtual"), make_job(model=after), fresh=False)


@pytest.mark.parametrize("heir", [False, True])
def test_a_request_to_stop_is_of_the_holder_that_it_was_made_of(storage: Storage, *, heir: bool) -> None:
    """An heir's, too; one that is made while the holder still prepares is heard."""
    folder = put_sweep(storage, "virtual", make_job())
    folder.write_json(folder.STOP, {"now": True})
    conductor = fresh_conductor(make_job())

    with claimed(
        check_standing(folder, make_job(), fresh=False), make_job(), fresh=False, heir=heir
    ) as lease:
        assert folder.exists(folder.STOP) == heir
        folder.write_json(folder.STOP, {"now": False})
        request = StopRequest(lease.folder, lease.check)
        request.tell(conductor)
        request.look()

    assert (request.heard, conductor.draining) == (True, True)


@pytest.mark.parametrize(("heir", "cut_off"), [(True, True), (True, False), (False, True)])
def test_a_request_to_stop_outlives_an_heir_that_is_cut_off(
    storage: Storage, *, heir: bool, cut_off: bool
) -> None:
    """A queue begins it again by itself, perhaps before it was heard; a person's Ctrl-C is the end."""
    folder = put_sweep(storage, "virtual", make_job())
    request = StopRequest(folder, heir=heir)
    folder.write_json(folder.STOP, {"now": False})
    if cut_off:
        request.cut_off()

    request.close()

    assert folder.exists(folder.STOP) == (heir and cut_off)


def test_fresh_replaces_a_sweep_by_another_job(storage: Storage) -> None:
    folder = put_sweep(storage, "virtual", make_job(), [start(), trial(0), end(0), finish("done")])
    folder.write(folder.model("00000", 1), b"x")
    other = make_job(train={"max_epochs": 7})

    standing = check_standing(folder, other, fresh=True)
    assert read_spec(folder) == make_job()
    claim(standing, other, fresh=True)

    assert standing.results.trials == {}
    assert read_spec(folder) == other
    assert read_results(folder).trials == {}
    assert not folder.exists(folder.model("00000", 1))


def test_what_is_left_of_a_removed_sweep_is_nobody_s_until_fresh_takes_it_away(storage: Storage) -> None:
    folder = storage.sweep("virtual")
    folder.write("journal/000001.jsonl", b"old")

    with pytest.raises(ClusterError) as error:
        check_standing(folder, make_job(), fresh=False)
    assert str(error.value) == (
        f"{folder.uri} holds files that are no sweep's; choose another --name or --storage, "
        "or take away what is left of a removed sweep with --fresh"
    )

    claim(check_standing(folder, make_job(), fresh=True), make_job(), fresh=True)
    assert OWN_FILES.issuperset(folder.files("journal"))
    assert read_spec(folder) == make_job()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_something_else_is_left_alone(storage: Storage, fresh: bool) -> None:  # noqa: FBT001
    folder = storage.sweep("virtual")
    file = "notes.txt"
    folder.write(file, b"mine")

    with pytest.raises(ClusterError) as error:
        check_standing(folder, make_job(), fresh=fresh)

    assert str(error.value) == (
        f"{folder.uri} holds files that are no sweep's; choose another --name or --storage"
    )
    assert folder.read(file) == b"mine"


@pytest.mark.parametrize("fresh", [False, True])
def test_a_sweep_that_is_being_run_is_left_alone(storage: Storage, fresh: bool) -> None:  # noqa: FBT001
    folder = put_sweep(storage, "virtual", events=[start(), trial(0), leg(0)])
    Lease(folder).take()

    with pytest.raises(
        ClusterError, match=r"^sweep virtual is being run by process \d+ on .+; wait for it, or"
    ):
        check_standing(folder, make_job(), fresh=fresh)
    assert read_results(folder).state == "running"

    Lease(folder).release()
    assert read_results(folder).state == "interrupted"


def test_of_two_that_begin_at_once_the_slower_changes_nothing(storage: Storage) -> None:
    folder, one, other = storage.sweep("virtual"), make_job(), make_job(train={"max_epochs": 7})
    free = check_standing(folder, one, fresh=False)

    with (
        claimed(free, one, fresh=False),
        pytest.raises(ClusterError, match=r"^sweep virtual is being run by process "),
        claimed(free, other, fresh=False),
    ):
        pass
    assert read_spec(folder) == one

    with (
        pytest.raises(ClusterError, match=r"^sweep virtual was begun by another process a moment ago; "),
        claimed(free, other, fresh=False),
    ):
        pass
    assert read_spec(folder) == one
    assert lease_holder(folder) is None


def test_fresh_does_not_take_away_what_another_has_begun_meanwhile(storage: Storage) -> None:
    folder = put_sweep(storage, "virtual")
    standing = check_standing(folder, make_job(), fresh=True)
    Lease(folder).take()

    with (
        pytest.raises(ClusterError, match=r"^sweep virtual is being run by process "),
        claimed(standing, make_job(train={"max_epochs": 7}), fresh=True),
    ):
        pass

    assert read_spec(folder) == make_job()


def test_one_that_was_killed_before_it_had_a_spec_leaves_the_name_free(storage: Storage) -> None:
    folder = storage.sweep("virtual")
    Lease(folder).take()
    folder.write_json("journal/owner.json", folder.read_json("journal/owner.json") | {"started": 1})

    claim(check_standing(folder, make_job(), fresh=False), make_job(), fresh=False)

    assert read_spec(folder) == make_job()


def test_a_storage_that_cannot_be_written_keeps_what_fresh_would_replace(here: Path) -> None:
    (here / "file").write_text("x")
    storage = Storage.open("file/sweeps")

    with pytest.raises(ClusterError, match=r"cannot be written \(Not a directory\); choose another"):
        claim(check_standing(storage.sweep("virtual"), make_job(), fresh=True), make_job(), fresh=True)

    assert everything(here) == {"file": b"x"}


REFUSED = {
    "grid": (
        ["search.algorithm=grid", "train.learning_rate={float: {min: 0.1, max: 0.2}}"],
        (
            "train.learning_rate: search.algorithm: grid has no end in a continuous range; give it a step, "
            "or choose another algorithm"
        ),
    ),
    "hyperband": (
        ["search.algorithm=hyperband"],
        "search.algorithm: hyperband needs hyperparameters to choose, and the job has none",
    ),
    "pbt": (
        ["search.scheduler=pbt", "model.units={int: {min: 1, max: 9}}"],
        (
            "search.scheduler: pbt changes hyperparameters while it trains, and none that can be changed is "
            "searched; search one of train.learning_rate, train.clip_norm, train.batch_size, window.stride, "
            "model.dropout"
        ),
    ),
}


@pytest.mark.parametrize(("overrides", "said"), REFUSED.values(), ids=REFUSED)
def test_a_search_that_cannot_be_carried_out_is_refused_with_the_job(
    here: Path, overrides: list[str], said: str
) -> None:
    (here / "job.yaml").write_text(JOB)

    with pytest.raises(JobError) as caught:
        read_job(here / "job.yaml", overrides, name=None, trials=None)

    assert str(caught.value) == f"{here / 'job.yaml'}: {said}"
    assert everything(here) == {"job.yaml": JOB.encode()}
