"""What a sweep takes over of earlier ones: their best configurations always, their scores if comparable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.storage import Storage
from jobs.built import Asked, Built, Compiled, Found
from jobs.dimensions import Int
from jobs.fidelity import PASSES
from jobs.jobfile import dump_job, load_job
from jobs.spec import Job
from runner.beginning import Source, beginning, find_sources
from runner.results import Results
from tests.runner.curves import JOB, make_job
from tests.runner.events import end, finish, leg, start, trained, trial, write

SPACE: dict[str, dict[str, Any]] = {"model": {"units": "{int: {min: 1, max: 9}}"}}


def told(storage: Storage, job: Job, earlier: Job, **values: int) -> tuple[list[str], int]:
    """Where configurations come from, and how many results are evidence."""
    events = [start(), trial(0, **values), leg(0), *trained(0, 0.5, 0.4), end(0), finish("done")]
    given = beginning(job, [Source(storage.sweep("earlier"), earlier, Results(events))], (1,), PASSES)
    return [each["source"] for each in given["configurations"]], len(given["evidence"])


def searched(storage: Storage, **data: str) -> tuple[list[str], int]:
    """Of an earlier sweep that differs in its ``data``."""
    common = {"path": "data", "series": "id"}
    earlier = make_job(**SPACE, data=common | data)
    return told(storage, make_job(**SPACE, data=common), earlier, **{"model.units": 3})


def test_results_of_the_same_data_are_evidence(storage: Storage) -> None:
    assert searched(storage) == (["default", "earlier/00000"], 2)


@pytest.mark.parametrize(
    "data",
    [
        {"path": "others"},
        {"where": "[[store, '=', 1]]"},
        {"series": "store"},
        {"frequency": "1h"},
        {"missing": "interpolate"},
        {"missing": "interpolate", "missing_limit": "3"},
        {"short": "leave_out"},
    ],
)
def test_of_other_data_they_are_none_but_the_best_comes_first(storage: Storage, data: dict[str, str]) -> None:
    assert searched(storage, **data) == (["default", "earlier/00000"], 0)


@pytest.mark.parametrize(("loss", "evidence"), [("mse", 2), ("mae", 0), (None, 0)])
def test_nor_are_they_by_another_loss_that_a_function_compiles_with(
    storage: Storage, loss: str | None, evidence: int
) -> None:
    def built(loss: str | None) -> Job:
        compiled = Compiled(optimizer="adam", learning_rate=0.1, loss=loss)
        asks = (Asked(name="units", values=Int(min=1, max=9)),)
        found = Found(kind="keras", asks=asks, compiled=compiled)
        return make_job().model_copy(update={"model": Built(build="a:b", folder=".", found=found)})

    found = told(storage, built("mse"), built(loss), units=3)

    assert found == (["default", "earlier/00000"], evidence)


def test_a_path_is_taken_from_the_job_files_folder_and_a_name_from_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, beside = Storage.open(str(tmp_path / "storage")), Storage.open(str(tmp_path / "jobs" / "others"))
    for folder in (storage.sweep("a"), beside.sweep("b")):
        folder.write(folder.SPEC, dump_job(make_job()).encode())
        write(folder, 1, start(), finish("done"))
    path = tmp_path / "jobs" / "job.yaml"
    path.write_text(f"{JOB}search: {{start_from: [a, others/b, {beside.sweep('b').uri}]}}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    sources = find_sources(load_job(path), storage)

    assert [source.folder.uri for source in sources] == [
        storage.sweep("a").uri,
        beside.sweep("b").uri,
        beside.sweep("b").uri,
    ]


def test_with_its_weights_what_was_best_comes_before_the_default(storage: Storage) -> None:
    job = make_job(**SPACE, train={"warm_weights": "true"}, search={"start_from": "[earlier]"})
    sources, _ = told(storage, job, make_job(**SPACE), **{"model.units": 3})
    assert sources == ["earlier/00000", "default"]
