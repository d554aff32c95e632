"""Sweeps whose networks begin with the weights of an earlier sweep's best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.errors import ClusterError
from cluster.patience import Patience
from cluster.storage import Storage
from jobs.built import Asked, Built, Found
from jobs.dimensions import Int
from jobs.errors import JobError
from jobs.params import hyperparameters, resolve
from jobs.spec import Job
from runner.beginning import Source
from runner.results import Results
from runner.warm import WarmWeights, check_warm, warm_model
from tests.runner.command import JobWriter, Recur, content, journal
from tests.runner.curves import make_job

WARM: dict[str, dict[str, Any]] = {"train": {"warm_weights": True}, "search": {"start_from": "[earlier]"}}


def test_without_an_earlier_sweep_a_job_is_refused() -> None:
    with pytest.raises(JobError) as refused:
        check_warm(make_job(train=WARM["train"]))
    assert str(refused.value) == (
        "train.warm_weights: true begins with the weights of search.start_from's first sweep, and it names "
        "none; write start_from, or warm_weights: false"
    )
    check_warm(make_job(**WARM))
    check_warm(make_job(search=WARM["search"]))


def test_only_with_one_does_a_trial_begin_warm() -> None:
    """Scores of a schedule's first sweep are those of cold trials, and are no evidence for the next."""
    alone, after = make_job(train=WARM["train"]), make_job(**WARM)
    assert not resolve(alone, {}).train.warm_weights
    assert resolve(after, {}).train.warm_weights
    assert "train.warm_weights" not in hyperparameters(after, {})


def built(kind: str) -> Built:
    found = Found(kind=kind, asks=(Asked(name="n", values=Int(min=1, max=9), default=1),), compiled=None)
    return Built(build="mine:build", found=found)


def with_model(job: Job, kind: str) -> Job:
    return job.model_copy(update={"model": built(kind)})


def published(storage: Storage, job: Job, file: str) -> Source:
    folder = storage.sweep("earlier")
    files = {file: {"size": 3, "sha256": "0" * 64}}
    folder.write_json(folder.best("manifest.json"), {"trial_id": "00000", "epoch": 1, "files": files})
    return Source(folder, job, Results())


def test_the_model_is_that_of_the_first_sweep(storage: Storage) -> None:
    source = published(storage, make_job(), "model.keras")
    found = {"sweep": source.folder.uri, "sha256": "0" * 64, "built": False}

    assert warm_model(make_job(**WARM), [source]) == found
    assert warm_model(make_job(search=WARM["search"]), [source]) is None
    assert warm_model(make_job(train=WARM["train"]), []) is None
    of_function = published(storage, with_model(make_job(), "keras"), "model.keras")
    assert warm_model(with_model(make_job(**WARM), "keras"), [of_function]) == found | {"built": True}


def test_regressors_have_no_weights(storage: Storage) -> None:
    source = published(storage, with_model(make_job(), "regressor"), "model.skops")

    assert warm_model(make_job(**WARM), [source]) is None
    with pytest.raises(JobError, match=r"train\.warm_weights: true is for Keras networks, and model\.build"):
        warm_model(with_model(make_job(**WARM), "regressor"), [source])


def test_an_earlier_sweep_has_to_have_published(storage: Storage) -> None:
    with pytest.raises(ClusterError, match="sweep earlier has published no best model yet"):
        warm_model(make_job(**WARM), [Source(storage.sweep("earlier"), make_job(), Results())])


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory, write_job: JobWriter) -> Recur:
    """A finished sweep ``small`` of one trained network."""
    recur = Recur(tmp_path_factory.mktemp("warm"))
    fixed = ["model.cell=gru", "model.units=8", "model.dropout=0.0"]
    recur("run", write_job(recur.folder, trials=1, epochs=25), *(f"--set={each}" for each in fixed))
    return recur


@pytest.fixture
def next_job(tmp_path: Path, write_job: JobWriter) -> Path:
    path = write_job(tmp_path, name="next", trials=4, epochs=2, scheduler="none")
    raw = yaml.safe_load(path.read_text())
    raw["model"] = {"cell": "gru", "units": {"choice": [8, 6]}, "dropout": {"choice": [0.0, 0.1]}}
    raw["search"] |= {"start_from": "small"}
    path.write_text(yaml.safe_dump(raw))
    return path


def test_a_sweep_begins_warm_wherever_it_is_gone_on_with(earlier: Recur, next_job: Path) -> None:
    warm = "train.warm_weights=true"
    earlier("run", next_job, "--name", "cold", "--workers", "1")
    earlier("run", next_job, "--name", "whole", "--set", warm, "--workers", "1")
    earlier("run", next_job, "--name", "part", "--set", warm, "--trials", "2", "--workers", "1")
    earlier("extend", "part", "--trials", "+2", "--workers", "1")

    cold, whole, part = (content(earlier.storage / name, "result") for name in ("cold", "whole", "part"))

    assert part == whole
    (given,) = (event for event in journal(earlier.storage / "whole") if event["event"] == "given")
    assert given["warm"]["sweep"] == str(earlier.storage / "small")
    units = {
        trial["id"]: trial["hyperparameters"]["model.units"] for trial in earlier.json("trials", "whole")
    }
    assert set(units.values()) == {8, 6}
    for before, now in zip(cold, whole, strict=True):
        assert before["trial"] == now["trial"]
        if units[now["trial"]] == 6:  # they do not fit
            assert before["score"] == now["score"]
        elif now["epoch"] == 1:
            assert now["score"] < 0.7 * before["score"]

    earlier("run", next_job, "--name", "gone", "--set", warm, "--trials", "1", "--workers", "1")
    model = earlier.storage / "small/best/model.keras"
    kept = model.read_bytes()
    model.write_bytes(kept[:-1] + b"?")
    try:
        earlier("extend", "gone", "--trials", "+1", "--workers", "1")
    finally:
        model.write_bytes(kept)
    trial = earlier.json("trials", "gone")[1]
    assert trial["state"] == "failed"
    assert trial["error"] == (
        f"train.warm_weights: the trial begins with the best model of {earlier.storage / 'small'}, which "
        f"cannot be had any more: {model} is not the file that was published (its SHA-256 differs from the "
        "manifest's); restore it, or run the sweep again with --fresh"
    )


def test_another_best_is_not_taken_for_it(earlier: Recur) -> None:
    small = str(earlier.storage / "small")
    read = WarmWeights(Patience(1.0)).of({"sweep": small, "sha256": "0" * 64, "built": False})
    assert read is not None
    with pytest.raises(ClusterError, match="had any more: it is another one than when the sweep began; rest"):
        read()


def test_a_command_says_what_is_wrong(earlier: Recur, next_job: Path) -> None:
    asked = ["--set", "train.warm_weights=true", "--set", "search.start_from=[]"]
    assert "train.warm_weights: true begins with" in earlier("run", next_job, *asked, code=2).stderr
    assert not (earlier.storage / "next").exists()
