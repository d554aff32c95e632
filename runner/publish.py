"""The published best of a sweep: ``best/``, whole or not there, and what a reader may trust in it."""

from __future__ import annotations

import hashlib
import io
import math
import platform
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.folder import as_json
from cluster.storage import SweepFolder
from runner.results import Results
from runner.trial import Trial

if TYPE_CHECKING:  # what reads the best is to start at once
    from jobs.panel import Panel
    from jobs.signature import Signature
    from jobs.space import Values
    from jobs.spec import Job

MANIFEST = "manifest.json"
_PACKAGES = ("recur-tune", "keras", "tensorflow", "jax", "ray", "numpy")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Scores = Mapping[str, Mapping[str, float | None]] | None


@dataclass(frozen=True)
class Found:
    """A model on storage: an epoch of a trial, and that epoch's score."""

    trial: Trial
    epoch: int
    score: float

    @property
    def values(self) -> Values:
        """The hyperparameters that the model was trained with."""
        return self.trial.values_at(self.epoch)


def best_model(folder: SweepFolder, results: Results) -> Found | None:
    """The best model on storage; while trials run, it may be older than the best epoch that was seen."""
    found = [
        Found(trial, epoch, score)
        for trial_id, epoch in folder.models()
        if (trial := results.trials.get(trial_id)) and trial.eligible
        for at, score in trial.history
        if at == epoch and score is not None
    ]
    return min(found, key=lambda model: (model.score, model.trial.number), default=None)


@dataclass(frozen=True)
class Origin:
    """What a model was made with, as far as it is published beside it.

    Attributes:
        signature: what it takes and gives.
        scaler: the file of its scaling, where that differs by series.
        fingerprint: of the data.
        versions: see there.
    """

    signature: Signature
    scaler: bytes | None
    fingerprint: str | None
    versions: Mapping[str, str]


def origin_of(job: Job, panel: Panel, found: Found, results: Results) -> Origin:
    """What a model of the sweep's was made with; ``panel`` is the job's."""
    from jobs.params import resolve
    from jobs.parts import parts_of
    from jobs.scalerfile import scaler_bytes
    from jobs.scaling import Scaling, scaler_of
    from jobs.signature import signature_of

    window = resolve(job, found.values).window
    how = Scaling.of(window)
    scaler = scaler_of(panel, parts_of(job, panel), how)
    return Origin(
        signature=signature_of(job.data, panel, window, scaler),
        scaler=scaler_bytes(panel, scaler) if how.by_series else None,
        fingerprint=results.fingerprint,
        versions=results.versions,
    )


def publish_best(
    folder: SweepFolder,
    job: Job,
    found: Found,
    origin: Origin,
    scores: Scores,
    error: str | None = None,
) -> None:
    """Put a model and all that is known of it into ``best/``.

    ``error`` is why there are no ``scores``, if there should be.

    The old manifest goes first and the new one comes last, so that what lies between is never taken for a
    result.

    Raises:
        ClusterError: the storage does not take it.
    """
    from jobs.params import hyperparameters

    trial = found.trial
    file, other = model_files(job)
    files = {
        "hyperparameters.json": as_json(hyperparameters(job, found.values)),
        "metrics.json": as_json(metrics(job, found, scores, error)),
        file: folder.read(folder.model(trial.id, found.epoch)),
        "signature.json": as_json(origin.signature),
    }
    if origin.scaler is not None:
        files["scaler.parquet"] = origin.scaler
    manifest = {
        "sweep": folder.name,
        "trial_id": trial.id,
        "epoch": trial.passes(found.epoch),
        "fidelity": trial.fidelity.to_json(),
        "seed": job.search.seed,
        "data_fingerprint": origin.fingerprint,
        "versions": origin.versions,
        "files": {name: _identity(data) for name, data in files.items()},
    }
    for outdated in (MANIFEST, *{other, "scaler.parquet"}.difference(files)):
        folder.delete(folder.best(outdated))
    folder.write_several({folder.best(name): data for name, data in files.items()})
    folder.write_json(folder.best(MANIFEST), manifest)
    folder.settle(folder.best(MANIFEST))  # before checkpoints are deleted


def check_model(folder: SweepFolder, found: Found) -> None:
    """See that a trial's model on storage is whole: it is an archive that knows its files' checksums.

    Raises:
        ClusterError: it is damaged.
    """
    path = folder.model(found.trial.id, found.epoch)
    try:
        with zipfile.ZipFile(io.BytesIO(folder.read(path))) as archive:
            whole = archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
        whole = False
    if not whole:
        raise ClusterError(
            f"{folder.inside(path)} is damaged; restore it from a copy, or run the sweep again with --fresh"
        )


def model_files(job: Job) -> tuple[str, str]:
    """What the best model is called in ``best/``, and what it would be of the other kind."""
    from jobs.built import Built

    found = job.model.found if isinstance(job.model, Built) else None
    names = ("model.keras", "model.skops")
    return names if found is None or found.kind == "keras" else names[::-1]


def read_best(folder: SweepFolder, file: str) -> bytes:
    """A file of ``best/``, checked against the manifest.

    Raises:
        ClusterError: nothing is published, or the file is not the one that was.
    """
    expected = read_manifest(folder)["files"].get(file)
    if expected is None:
        raise ClusterError(
            f"{folder.inside(folder.best(MANIFEST))} lists no {file}; run the sweep again with --fresh"
        )
    said = f"{folder.inside(folder.best(file))} is not the file that was published"
    hint = "restore it, or run the sweep again with --fresh"
    size = folder.size(folder.best(file))
    if size > expected["size"]:  # and is not read, however large
        raise ClusterError(f"{said} (it has {size} bytes, the manifest's {expected['size']}); {hint}")
    data = folder.read(folder.best(file))
    if _identity(data) != expected:
        raise ClusterError(f"{said} (its SHA-256 differs from the manifest's); {hint}")
    return data


def read_manifest(folder: SweepFolder) -> dict[str, Any]:
    """The manifest of the published best.

    Raises:
        ClusterError: nothing is published, or it is no manifest.
    """
    if not folder.exists(folder.best(MANIFEST)):
        raise ClusterError(
            f"sweep {folder.name} has published no best model yet; see: recur status {folder.name}"
        )
    manifest = folder.read_json(folder.best(MANIFEST))
    if not _is_manifest(manifest):
        raise ClusterError(
            f"{folder.inside(folder.best(MANIFEST))} is no manifest as Recur writes it; restore it, or run "
            "the sweep again with --fresh"
        )
    return dict(manifest)


def _is_manifest(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        return False
    return {"trial_id", "epoch"} <= content.keys() and all(
        "/" not in name  # all of them lie beside it
        and isinstance(each, dict)
        and each.keys() == {"size", "sha256"}
        and type(each["size"]) is int
        and isinstance(each["sha256"], str)
        and _SHA256.fullmatch(each["sha256"])
        for name, each in content["files"].items()
    )


def check_best(folder: SweepFolder) -> None:
    """See that all that is published is there and whole.

    Raises:
        ClusterError: as ``read_best``.
    """
    for file in read_manifest(folder)["files"]:
        read_best(folder, file)


def metrics(job: Job, found: Found, scores: Scores, error: str | None = None) -> dict[str, Any]:
    """What ``metrics.json`` holds: the objective's best, that epoch's metrics, the test part's or why not."""
    found_out = finite(scores)
    return {
        "objective": job.search.objective,
        "score": found.score,
        "epoch": found.trial.passes(found.epoch),
        "validation": found.trial.metrics if found.epoch == found.trial.epoch else None,
        "test": found_out["model"] if found_out else None,
        "seasonal_naive": found_out["seasonal_naive"] if found_out else None,
    } | ({"test_error": error} if error else {})


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # an extra that is not installed
    return found


def _identity(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def finite(scores: Scores) -> Scores:
    """The same scores, of which JSON can hold each."""
    return scores and {
        row: {name: None if x is None or not math.isfinite(x) else x for name, x in values.items()}
        for row, values in scores.items()
    }
