"""Making again whatever a sweep's folder holds that follows from its journal, and from a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.errors import ClusterError
from cluster.lease import holding
from cluster.storage import SweepFolder
from jobs.errors import JobError
from runner.launch import read_spec
from runner.publish import (
    MANIFEST,
    Found,
    Origin,
    best_model,
    check_best,
    check_model,
    origin_of,
    publish_best,
)
from runner.results import Results
from runner.summary import Encoder, summarised
from runner.table import trials_parquet
from runner.upkeep import finish

if TYPE_CHECKING:
    from jobs.signature import Signature
    from jobs.spec import Job

_UNKNOWN = "the journal does not hold its scores"


def rebuild(folder: SweepFolder) -> str | None:
    """Write the summary, the merged journal and ``trials.parquet`` anew, by nothing but the journal.

    What is published is published anew, from the best trial's checkpoint, if it is not the journal's best.

    Returns:
        In a sentence, that it was not, and what came of it; None if it was.

    Raises:
        ClusterError: the sweep is being run, its journal is damaged, or its storage takes nothing.
    """
    with holding(folder) as lease:
        summary = summarised(folder)
        lease.check()
        finish(folder, summary, Encoder())
        results = summary.results
        if results.state == "running":  # and its process is dead, for the lease is ours
            results.mark_interrupted()
        lease.check()
        folder.write(folder.TRIALS, trials_parquet(results))
        wrong = _wrong_best(folder, results)
        if wrong is None or results.state != "done":
            return wrong and f"{wrong}; the sweep's next run publishes it"
        lease.check()
        return f"{wrong}; {_published_anew(folder, results)}"


def _wrong_best(folder: SweepFolder, results: Results) -> str | None:
    """How what is published differs from the journal's best; None if it does not, or need not yet."""
    best, there = results.best(), folder.exists(folder.best(MANIFEST))
    if not there and (best is None or results.state != "done"):
        return None
    found = f"epoch {best.passes(best.epoch)} of trial {best.id}" if best else "no epoch of any trial"
    published = _published(folder) if there else "no manifest"
    if published == found:
        try:
            check_best(folder)
        except ClusterError:
            published = "files that are not those of its manifest"
    if published == found:
        return None
    return f"{folder.inside(folder.BEST)} holds {published}, and the journal's best is {found}"


def _published(folder: SweepFolder) -> str:
    try:
        manifest = folder.read_json(folder.best(MANIFEST))
        return f"epoch {manifest['epoch']} of trial {manifest['trial_id']}"
    except (ClusterError, KeyError, TypeError):
        return "a manifest that cannot be read"


def _published_anew(folder: SweepFolder, results: Results) -> str:
    """Publish the journal's best from its checkpoint; what came of it, in words."""
    best, found = results.best(), best_model(folder, results)
    if best is None or found is None or (found.trial.id, found.epoch) != (best.id, best.epoch):
        return "its model is not in checkpoints either: restore it from a copy, or search again with --fresh"
    scored = results.scored
    if scored is not None and (scored["trial"], scored["epoch"]) != (best.id, best.epoch):
        scored = None
    try:
        check_model(folder, found)
        job = read_spec(folder)
        origin = _origin(job, found, results, scored and scored["signature"])
    except (ClusterError, JobError) as error:
        return f"it could not be published anew: {error}"
    if scored is None:
        publish_best(folder, job, found, origin, None, _UNKNOWN)
        return "it is published anew, but for the test part's scores, which the journal does not hold"
    publish_best(folder, job, found, origin, scored["scores"], scored["error"])
    return "it is published anew"


def _origin(job: Job, found: Found, results: Results, signature: Signature | None) -> Origin:
    """What the journal knows of the model's making; the rest is made from the job's data.

    Raises:
        JobError, ClusterError: these are needed and cannot be had, or are others by now.
    """
    from jobs.params import resolve
    from jobs.scaling import Scaling

    if signature is not None and not Scaling.of(resolve(job, found.values).window).by_series:
        return Origin(signature, None, results.fingerprint, results.versions)
    from runner.data import fingerprint_of, open_job_panel

    panel = open_job_panel(job)
    if results.fingerprint not in {None, fingerprint_of(panel)}:
        raise JobError(
            f"{job.data.path}: the data have changed since, and its "
            f"{'signature' if signature is None else 'scaling of each series'} was made from them"
        )
    return origin_of(job, panel, found, results)
