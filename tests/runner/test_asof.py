"""The moment that a sweep's conditions are of: said by the job, kept by the sweep, or now."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.jobfile import dump_job
from jobs.spec import Job
from runner.asof import with_moment
from runner.launch import check_standing
from tests.runner.command import JobWriter, Recur
from tests.runner.curves import make_job

MOVING = "[[t, '>=', '{last 90 days}']]"
MOMENT = "2026-11-28T02:00:00+01:00"


def moving(**data: str) -> Job:
    return make_job(data={"where": MOVING, **data})


def put(folder: SweepFolder, job: Job) -> SweepFolder:
    folder.write(folder.SPEC, dump_job(job).encode())
    return folder


def test_it_is_now_where_nobody_says_it(storage: Storage) -> None:
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)

    found = with_moment(moving(), storage.sweep("virtual")).data.as_of

    assert found is not None
    moment = dt.datetime.fromisoformat(found)
    assert before <= moment <= dt.datetime.now(dt.UTC)
    assert moment.microsecond == 0


def test_conditions_that_do_not_move_need_none(storage: Storage) -> None:
    job = make_job(data={"where": "[[t, '>=', 3]]"})
    assert with_moment(job, storage.sweep("virtual")) is job


def test_the_jobs_own_goes_first(folder: SweepFolder) -> None:
    put(folder, moving(as_of="2025-01-01"))
    job = moving(as_of=MOMENT)
    assert with_moment(job, folder) is job


def test_a_sweep_keeps_its_own_unless_it_is_replaced(folder: SweepFolder) -> None:
    put(folder, moving(as_of=MOMENT))

    assert with_moment(moving(), folder).data.as_of == MOMENT
    assert with_moment(moving(), folder, fresh=True).data.as_of != MOMENT


def test_so_it_is_the_same_job_again_and_with_another_moment_it_is_not(folder: SweepFolder) -> None:
    put(folder, moving(as_of=MOMENT))

    assert check_standing(folder, with_moment(moving(), folder), fresh=False).exists
    with pytest.raises(JobError, match=r"by a job that differs in data\.as_of; choose another --name"):
        check_standing(folder, moving(as_of="2025-01-01"), fresh=False)


def test_a_job_that_is_handed_on_has_it(storage: Storage) -> None:
    """Only what the author gave is handed on to a cluster, and to whoever asks a user's function."""
    job = with_moment(moving(), storage.sweep("virtual"))
    assert yaml.safe_load(dump_job(job, defaults=False))["data"]["as_of"] == job.data.as_of


@pytest.fixture
def job(tmp_path: Path, write_job: JobWriter) -> Path:
    """The panel's hours begin with 2024 and are 300."""
    path = write_job(tmp_path, trials=1, epochs=1)
    raw = yaml.safe_load(path.read_text())
    raw["data"]["where"] = [["time", ">=", "{last 10 days}"], ["time", "<", {"today": None}]]
    path.write_text(yaml.safe_dump(raw))
    return path


def rows(recur: Recur, job: Path, *options: str) -> Any:
    return recur.json("run", job, "--dry-run", *options)


def test_a_sweep_says_what_it_was_of(recur: Recur, job: Path) -> None:
    asked = "data.as_of=2024-01-12T06:00:00+00:00"
    dry = rows(recur, job, "--set", asked)
    assert dry["rows"] == 10 * 24 - 6
    assert dry["job"]["data"]["where"][0] == ["time", ">=", "{last 10 days}"]

    recur("run", job, "--set", asked)
    spec = yaml.safe_load((recur.storage / "small/spec.yaml").read_text())
    assert spec["data"]["as_of"] == "2024-01-12T06:00:00+00:00"
    assert spec["data"]["where"][1] == ["time", "<", "{today}"]

    assert "finished already; nothing was changed" in recur("run", job).stderr
    assert rows(recur, job)["rows"] == 10 * 24 - 6
    said = recur("run", job, "--set", "data.as_of=2024-01-11", code=2).stderr
    assert "by a job that differs in data.as_of" in said
    assert "none fulfils data.where" in recur("run", job, "--fresh", code=2).stderr  # which is of today


def test_data_are_checked_as_of_now(recur: Recur, job: Path) -> None:
    said = recur("data", "check", job, code=2).stderr
    assert "none fulfils data.where" in said
