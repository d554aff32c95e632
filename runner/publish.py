"""The published best of a sweep: ``best/``, whole or not there, and what a reader may trust in it."""

from __future__ import annotations

import hashlib
import io
import math
import platform
import re
import zipfile
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.folder import as_json
from cluster.storage import SweepFolder
from runner.results import Results, Trial

if TYPE_CHECKING:  # what reads the best is to start at once
    from jobs.panel import Panel
    from jobs.spec import Job

MANIFEST = "manifest.json"
_PACKAGES = ("recur-tune", "keras", "tensorflow", "jax", "ray", "numpy")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Scores = dict[str, dict[str, float]] | None


@dataclass(frozen=True)
class Found:
    """A model on storage: an epoch of a trial, and that epoch's score."""

    trial: Trial
    epoch: int
    score: float


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


def publish_best(folder: SweepFolder, job: Job, panel: Panel, found: Found, scores: Scores) -> None:
    """Put a model and all that is known of it into ``best/``.

    The old manifest goes first and the new one comes last, so that what lies between is never taken for a
    result.

    Raises:
        ClusterError: the storage does not take it.
    """
    from jobs.params import hyperparameters, resolve
    from jobs.parts import parts_of
    from jobs.scalerfile import scaler_bytes
    from jobs.scaling import Scaling, scaler_of
    from jobs.signature import signature_of

    trial = found.trial
    params = resolve(job, trial.values)
    file, other = model_files(job)
    how = Scaling.of(params.window)
    scaler = scaler_of(panel, parts_of(job, panel), how)
    files = {
        "hyperparameters.json": as_json(hyperparameters(job, trial.values)),
        "metrics.json": as_json(metrics(job, found, scores)),
        file: folder.read(folder.model(trial.id, found.epoch)),
        "signature.json": as_json(signature_of(job.data, panel, params.window, scaler)),
    }
    if how.by_series:
        files["scaler.parquet"] = scaler_bytes(panel, scaler)
    manifest = {
        "sweep": folder.name,
        "trial_id": trial.id,
        "epoch": trial.passes(found.epoch),
        "fidelity": trial.fidelity.to_json(),
        "seed": job.search.seed,
        "data_fingerprint": panel.fingerprint(),
        "versions": versions(),
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


def metrics(job: Job, found: Found, scores: Scores) -> dict[str, Any]:
    """What ``metrics.json`` holds: the objective's best, that epoch's metrics, the test part's."""
    return {
        "objective": job.search.objective,
        "score": found.score,
        "epoch": found.trial.passes(found.epoch),
        "validation": found.trial.metrics if found.epoch == found.trial.epoch else None,
        "test": _finite(scores["model"]) if scores else None,
        "seasonal_naive": _finite(scores["seasonal_naive"]) if scores else None,
    }


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # an extra that is not installed
    return found


def _identity(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
