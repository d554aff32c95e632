"""Weights to begin with: those of the published best of an earlier sweep, for networks that they fit.

Which model that is stands in the sweep's journal, once and for all; a training process reads it itself, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from jobs.built import Built
from jobs.errors import JobError
from runner.publish import model_files, read_best, read_manifest

if TYPE_CHECKING:  # Keras comes with it
    from cluster.patience import Patience
    from jobs.spec import Job
    from jobs.trainstate import Arrays
    from runner.beginning import Source


def check_warm(job: Job) -> None:
    """See that a job whose networks are to begin warm names a sweep; a schedule names one by itself.

    Raises:
        JobError: it names none.
    """
    if job.train.warm_weights and not job.search.start_from:
        raise JobError(
            "train.warm_weights: true begins with the weights of search.start_from's first sweep, and it "
            "names none; write start_from, or warm_weights: false"
        )


def warm_model(job: Job, sources: Sequence[Source]) -> dict[str, Any] | None:
    """The model whose weights the job's networks begin with, as its journal has it; None where none is asked.

    Raises:
        JobError: the job's function builds regressors, which have no weights to begin with.
        ClusterError: the first of the earlier sweeps has published nothing.
    """
    if not job.train.warm_weights or not sources:
        return None
    if model_files(job)[0] != "model.keras":
        raise JobError(
            "train.warm_weights: true is for Keras networks, and model.build gives a scikit-learn regressor, "
            "which is fitted from nothing; write warm_weights: false"
        )
    folder, file = sources[0].folder, model_files(sources[0].job)[0]
    published = read_manifest(folder)["files"].get(file)
    if file != "model.keras" or published is None:
        return None  # a regressor's are no network's
    built = isinstance(sources[0].job.model, Built)
    return {"sweep": folder.uri, "sha256": published["sha256"], "built": built}


class WarmWeights:
    """What a training process has read of earlier sweeps."""

    def __init__(self, patience: Patience) -> None:
        """``patience``: with storage that is away."""
        self._patience = patience
        self._read: dict[str, Arrays] = {}

    def of(self, model: dict[str, Any] | None) -> Callable[[], Arrays] | None:
        """What reads the weights of a model that ``warm_model`` gave, or remembers them."""
        return None if model is None else partial(self._weights, model)

    def _weights(self, model: dict[str, Any]) -> Arrays:
        digest = model["sha256"]
        if digest not in self._read:
            self._read = {digest: self._fresh(model)}
        return self._read[digest]

    def _fresh(self, model: dict[str, Any]) -> Arrays:
        from jobs.warm import weights_of

        folder = SweepFolder.from_uri(model["sweep"], self._patience)
        said = f"train.warm_weights: the trial begins with the best model of {folder.uri}"
        try:
            return weights_of(_same_best(folder, model["sha256"]), built=model["built"])
        except (ClusterError, JobError) as error:
            raise ClusterError(f"{said}, which cannot be had any more: {error}") from None


def _same_best(folder: SweepFolder, digest: str) -> bytes:
    data = read_best(folder, "model.keras")
    if hashlib.sha256(data).hexdigest() != digest:
        raise ClusterError(
            "it is another one than when the sweep began; restore that, or begin again with --fresh"
        )
    return data
