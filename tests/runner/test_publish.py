"""What a reader may trust in ``best/``: all that a manifest lists, and nothing else."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.errors import ClusterError, StorageAwayError
from cluster.storage import Storage, SweepFolder
from jobs.panel import Panel
from jobs.spec import Job
from runner.publish import (
    Found,
    Origin,
    best_model,
    check_model,
    origin_of,
    publish_best,
    read_best,
    read_manifest,
    versions,
)
from runner.results import Results
from runner.show import best_json, print_best
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import make_job
from tests.runner.events import start, trained, trial
from tests.runner.syncs import Syncs

FILES = ["hyperparameters.json", "metrics.json", "model.keras", "signature.json"]
SCORES = {"model": {"mse": 0.5, "mase": float("nan")}, "seasonal_naive": {"mse": 1.0, "mase": 2.0}}


def job() -> Job:
    return make_job(model={"units": "{int: {min: 1, max: 64}}"}, search={"seed": 7})


def panel() -> Panel:
    hours = np.arange(48, dtype=np.int64) * 3_600_000_000_000
    return Panel(("y",), 1, np.zeros((48, 1), np.float32), hours, np.array([0, 48]), (None,), "timestamp[ns]")


def results() -> Results:
    begun = start() | {"fingerprint": panel().fingerprint(), "versions": versions()}
    events = [begun, trial(0, **{"model.units": 8}), trial(1, **{"model.units": 16})]
    return Results([*events, *trained(0, 0.5, 0.25, 0.3), *trained(1, 0.2)])


def origin(found: Found) -> Origin:
    return origin_of(job(), panel(), found, results())


def publish(folder: SweepFolder, number: int = 0) -> None:
    found = results().trials[f"{number:05d}"]
    model = Found(found, found.epoch or 0, found.score or 0.0)
    folder.write(folder.model(found.id, model.epoch), f"model of {found.id}".encode())
    publish_best(folder, job(), model, origin(model), SCORES)


def test_what_is_published_is_read_back(folder: SweepFolder) -> None:
    publish(folder)

    manifest = read_manifest(folder)
    assert folder.files("best") == sorted([*FILES, "manifest.json"])
    assert read_best(folder, "model.keras") == b"model of 00000"
    named = ["sweep", "trial_id", "epoch", "fidelity", "seed", "data_fingerprint", "versions", "files"]
    assert list(manifest) == named
    assert (manifest["sweep"], manifest["trial_id"], manifest["seed"]) == ("a", "00000", 7)
    assert manifest["data_fingerprint"] == panel().fingerprint()
    assert {"python", "keras", "tensorflow", "ray"} <= set(manifest["versions"])
    assert manifest["files"] == {
        name: {"size": len(data := read_best(folder, name)), "sha256": hashlib.sha256(data).hexdigest()}
        for name in FILES
    }


def test_the_metrics_are_those_of_the_best_epoch_and_of_the_test_part(folder: SweepFolder) -> None:
    publish(folder)

    assert folder.read_json("best/metrics.json") == {
        "objective": "val_loss",
        "score": 0.25,
        "epoch": 2,
        "validation": {"val_loss": 0.25, "loss": 0.5},
        "test": {"mse": 0.5, "mase": None},
        "seasonal_naive": {"mse": 1.0, "mase": 2.0},
    }
    hyperparameters = folder.read_json("best/hyperparameters.json")
    assert (hyperparameters["model.units"], hyperparameters["window.horizon"]) == (8, 1)


def test_the_signature_says_what_the_model_takes_and_gives(folder: SweepFolder) -> None:
    publish(folder)

    assert folder.read_json("best/signature.json") == {
        "inputs": [{"name": "values", "columns": ["y"], "shape": [None, 96, 1], "dtype": "float32"}],
        "outputs": [{"columns": ["y"], "shape": [None, 1, 1], "dtype": "float32"}],
        "scaling": {"kind": "standard", "by_series": False, "transform": "none"},
        "powers": None,
        "time": "t",
        "series": None,
        "time_type": "timestamp[ns]",
        "step": 3_600_000_000_000,
        "frequency": "1h",
    }


def test_scaling_by_series_lies_beside_the_model(folder: SweepFolder) -> None:
    two = replace(panel(), offsets=np.array([0, 24, 48]), series=("a", "b"))
    two.rows[24:] = np.arange(24)[:, None]
    chosen = make_job(window={"scale_by": "series"}, data={"series": "id"})
    found = results().trials["00000"]
    model = Found(found, found.epoch or 0, found.score or 0.0)
    folder.write(folder.model(found.id, model.epoch), b"model")

    publish_best(folder, chosen, model, origin_of(chosen, two, model, results()), SCORES)

    table = pq.read_table(io.BytesIO(read_best(folder, "scaler.parquet"))).to_pylist()
    rows = np.arange(24 - 2 * int(24 * 0.2))
    assert table == [
        {"series": "a", "column": "y", "centre": 0.0, "spread": 1.0},
        {"series": "b", "column": "y", "centre": rows.mean(), "spread": pytest.approx(rows.std())},
    ]
    given = {each["name"] for each in folder.read_json("best/signature.json")["inputs"]}
    assert given == {"values", "centre", "spread"}
    publish(folder)
    assert "scaler.parquet" not in folder.files("best")


def test_what_is_published_is_on_the_disk_with_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(monkeypatch)

    publish(Storage.open(str(tmp_path)).sweep("a"))

    assert syncs.last(tmp_path / "a" / "best") == {*FILES, "manifest.json"}
    assert syncs.last(tmp_path / "a") >= {"best"}


def test_publishing_again_replaces_it(folder: SweepFolder) -> None:
    publish(folder, 0)
    publish(folder, 1)

    assert read_manifest(folder)["trial_id"] == "00001"
    assert read_best(folder, "model.keras") == b"model of 00001"


def test_a_sweep_that_has_published_nothing_says_so(folder: SweepFolder) -> None:
    with pytest.raises(ClusterError) as error:
        read_best(folder, "model.keras")

    assert str(error.value) == "sweep a has published no best model yet; see: recur status a"


@pytest.mark.parametrize("file", FILES)
def test_a_changed_file_is_refused(folder: SweepFolder, file: str) -> None:
    publish(folder)
    data = bytearray(folder.read(folder.best(file)))
    data[-1] ^= 1
    folder.write(folder.best(file), bytes(data))

    with pytest.raises(ClusterError) as error:
        read_best(folder, file)

    assert str(error.value) == (
        f"{folder.uri}/best/{file} is not the file that was published (its SHA-256 differs from the "
        "manifest's); restore it, or run the sweep again with --fresh"
    )


def test_a_file_that_the_manifest_does_not_list_is_refused(folder: SweepFolder) -> None:
    publish(folder)
    folder.write("best/scaler.parquet", b"x")

    with pytest.raises(ClusterError) as error:
        read_best(folder, "scaler.parquet")

    assert str(error.value) == (
        f"{folder.uri}/best/manifest.json lists no scaler.parquet; run the sweep again with --fresh"
    )


def test_a_file_that_is_gone_is_named(folder: SweepFolder) -> None:
    publish(folder)
    folder.delete("best/model.keras")

    with pytest.raises(ClusterError, match=rf"^{folder.uri}/best/model\.keras: cannot be read \(.+\)$"):
        read_best(folder, "model.keras")


def test_what_cannot_be_replaced_stays_as_it_was(folder: SweepFolder) -> None:
    publish(folder, 0)
    model = Found(results().trials["00001"], 1, 0.2)
    with pytest.raises(ClusterError, match=r"checkpoints/00001/model-000001\.keras: cannot be read"):
        publish_best(folder, job(), model, origin(model), SCORES)

    assert read_manifest(folder)["trial_id"] == "00000"
    assert read_best(folder, "model.keras") == b"model of 00000"


def check_nothing_published(folder: SweepFolder) -> None:
    for file in FILES:
        with pytest.raises(ClusterError, match=r"^sweep a has published no best model yet;"):
            read_best(folder, file)


def test_what_a_crash_left_half_written_is_never_read(tmp_path: Path) -> None:
    """One of the files is not taken, after the old manifest was taken away."""
    folder = Storage.open(str(tmp_path)).sweep("a")
    publish(folder, 0)
    folder.delete("best/metrics.json")
    folder.write("best/metrics.json/in-the-way", b"")

    with pytest.raises(ClusterError, match=r"best/metrics\.json: cannot be written \(Is a directory\)"):
        publish(folder, 1)

    check_nothing_published(folder)


def test_what_a_storage_that_went_away_left_half_written_is_never_read() -> None:
    store = ObjectStore()
    folder = open_object_store(store).sweep("a").impatient()
    publish(folder, 0)
    found = results().trials["00001"]
    folder.write(folder.model(found.id, 1), b"model")
    model = Found(found, 1, 0.2)

    store.down = "no route to host"
    with pytest.raises(StorageAwayError):
        publish_best(folder, job(), model, origin(model), SCORES)

    check_nothing_published(folder)
    store.down = None
    publish_best(folder, job(), model, origin(model), SCORES)
    assert read_best(folder, "model.keras") == b"model"


HOSTILE_MANIFESTS = [
    b"[]",
    b'{"trial_id": "00000", "epoch": 2}',
    b'{"trial_id": "00000", "epoch": 2, "files": ["model.keras"]}',
    b'{"trial_id": "00000", "epoch": 2, "files": {"model.keras": {"size": "7", "sha256": "00"}}}',
    b'{"trial_id": "00000", "epoch": 2, "files": {"model.keras": {"size": 7}}}',
]


@pytest.mark.parametrize("content", HOSTILE_MANIFESTS)
def test_what_is_no_manifest_is_refused(folder: SweepFolder, content: bytes) -> None:
    publish(folder)
    folder.write("best/manifest.json", content)

    with pytest.raises(ClusterError) as error:
        read_best(folder, "model.keras")

    assert str(error.value) == (
        f"{folder.uri}/best/manifest.json is no manifest as Recur writes it; restore it, or run the sweep "
        "again with --fresh"
    )


def test_a_file_that_has_grown_is_not_read(folder: SweepFolder) -> None:
    publish(folder)
    folder.write("best/model.keras", bytes(1000))

    with pytest.raises(ClusterError) as error:
        read_best(folder, "model.keras")

    assert str(error.value) == (
        f"{folder.uri}/best/model.keras is not the file that was published (it has 1000 bytes, the "
        "manifest's 14); restore it, or run the sweep again with --fresh"
    )


def test_the_best_model_is_the_best_that_is_on_storage(folder: SweepFolder) -> None:
    """With the epoch and the score that it has, which need not be the best that were seen."""
    assert best_model(folder, results()) is None

    folder.write(folder.model("00000", 1), b"x")
    older = best_model(folder, results())
    assert older
    assert (older.trial.id, older.epoch, older.score) == ("00000", 1, 0.5)
    folder.write(folder.model("00001", 1), b"x")
    first = best_model(folder, results())
    assert first
    assert (first.trial.id, first.epoch, first.score) == ("00001", 1, 0.2)


def test_a_damaged_model_is_named(folder: SweepFolder) -> None:
    """Whatever bit of a file in it is turned, or whatever it lacks."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}" * 100)
    whole, turned = buffer.getvalue(), bytearray(buffer.getvalue())
    turned[turned.index(b"{}") + 9] ^= 1
    path = folder.model("00000", 1)
    folder.write(path, whole)
    found = best_model(folder, results())
    assert found
    check_model(folder, found)
    for damaged in (bytes(turned), whole[:-9], whole[:40], b""):
        folder.write(path, damaged)
        with pytest.raises(ClusterError) as error:
            check_model(folder, found)
        assert str(error.value) == (
            f"{folder.inside(path)} is damaged; restore it from a copy, or run the sweep again with --fresh"
        )


def test_an_older_model_is_published_with_its_own_epoch_and_score(folder: SweepFolder) -> None:
    """A trial whose best epoch's model was not saved before the sweep was stopped."""
    folder.write(folder.model("00000", 1), b"x")
    found = best_model(folder, results())
    assert found
    publish_best(folder, job(), found, origin(found), None)

    said = folder.read_json("best/metrics.json")
    assert (said["epoch"], said["score"], said["validation"]) == (1, 0.5, None)
    assert read_manifest(folder)["epoch"] == 1
    best = best_json(folder, job(), results().trials["00000"])
    assert (best["epoch"], best["checkpoint"], best["test"]) == (2, None, None)


def test_a_test_part_that_could_not_be_scored_is_told_with_the_best(
    folder: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    found = results().trials["00001"]
    model = Found(found, 1, 0.2)
    folder.write(folder.model(found.id, 1), b"model")

    publish_best(folder, job(), model, origin(model), None, "no memory")

    said = folder.read_json("best/metrics.json")
    assert (said["test"], said["seasonal_naive"], said["test_error"]) == (None, None, "no memory")
    best = best_json(folder, job(), found)
    assert (best["test"], best["test_error"]) == (None, "no memory")
    print_best(folder, job(), results(), results().ranked()[:1])
    assert capsys.readouterr().out.endswith("\ntest       not scored: no memory\n")
