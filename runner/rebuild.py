"""Making again whatever a sweep's folder holds that follows from its journal alone."""

from __future__ import annotations

from cluster.errors import ClusterError
from cluster.lease import holding
from cluster.storage import SweepFolder
from runner.publish import MANIFEST
from runner.results import Results, trials_parquet
from runner.summary import Encoder, summarised
from runner.upkeep import finish


def rebuild(folder: SweepFolder) -> str | None:
    """Write the summary, the merged journal and ``trials.parquet`` anew, by nothing but the journal.

    Returns:
        In a sentence, that what is published is not the journal's best; None if it is.

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
        return _stale_best(folder, results)


def _stale_best(folder: SweepFolder, results: Results) -> str | None:
    if not folder.exists(folder.best(MANIFEST)):
        return None
    try:
        manifest = folder.read_json(folder.best(MANIFEST))
        published = f"epoch {manifest['epoch']} of trial {manifest['trial_id']}"
    except (ClusterError, KeyError, TypeError):
        published = "a manifest that cannot be read"
    best = results.best()
    found = f"epoch {best.passes(best.epoch)} of trial {best.id}" if best else "no epoch of any trial"
    if published == found:
        return None
    hint = (
        "restore it from a copy, or search again with --fresh"
        if results.state == "done"
        else "the sweep's next run publishes it"
    )
    return f"{folder.inside(folder.BEST)} holds {published}, and the journal's best is {found}; {hint}"
