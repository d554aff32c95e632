"""What a sweep begins with: its job's own default configuration, and what earlier sweeps have found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from cluster.storage import Storage, SweepFolder
from jobs.built import Built
from jobs.defaults import default_values, fitting
from jobs.fidelity import Fidelity
from jobs.params import Params, hyperparameters, resolve
from jobs.space import Values
from jobs.spec import Job
from runner.journal import Event
from runner.launch import find_sweep, read_results, read_spec
from runner.results import Results
from runner.trial import Trial

_BEST = 5  # configurations that are tried again, of each earlier sweep
# Fields of ``data`` that decide which values a score is of.
_SCORED = (
    *("path", "where", "series", "target", "split"),
    *("frequency", "missing", "missing_limit", "short"),
)


@dataclass(frozen=True)
class Source:
    """An earlier sweep."""

    folder: SweepFolder
    job: Job
    results: Results


def find_sources(job: Job, storage: Storage) -> list[Source]:
    """The sweeps of ``search.start_from``, in its order.

    Raises:
        ClusterError: there is no such sweep.
    """
    folders = [find_sweep(name, storage.uri) for name in job.search.start_from]
    return [Source(folder, read_spec(folder), read_results(folder)) for folder in folders]


def beginning(job: Job, sources: list[Source], rungs: tuple[int, ...], fidelity: Fidelity) -> Event:
    """The event ``given``: configurations to begin with, each once, and results to learn from.

    Args:
        job: of the sweep that begins.
        sources: earlier sweeps.
        rungs: epochs after which results are compared.
        fidelity: what an epoch is.
    """
    if job.search.algorithm == "hyperband":  # which brings all of its configurations
        return {"event": "given", "configurations": [], "evidence": []}
    known_best = [_fitting(job, source, source.results.ranked()[:_BEST]) for source in sources]
    # With its weights, what was best is so again after an epoch, and what comes after is held to it.
    chosen = known_best[0][:1] if known_best and job.train.warm_weights else []
    chosen += [{"values": default_values(job), "source": "default"}]
    chosen += [each for found in known_best for each in found]
    distinct: dict[str, dict[str, Any]] = {}
    for each in chosen:
        distinct.setdefault(repr(sorted(each["values"].items())), each)
    alike = [source for source in sources if source.results.fidelity.per_pass == fidelity.per_pass]
    known = [source for source in alike if _comparable(job, source.job)]
    evidence = [each for source in known for each in _told(job, source, rungs)]
    return {"event": "given", "configurations": list(distinct.values()), "evidence": evidence}


def _fitting(job: Job, source: Source, trials: list[Trial]) -> list[dict[str, Any]]:
    found = [(trial, _values(job, source, trial.best_values)) for trial in trials]
    return [
        {"values": values, "source": f"{source.folder.name}/{trial.id}"}
        for trial, values in found
        if values is not None
    ]


def _values(job: Job, source: Source, values: Values) -> Values | None:
    return fitting(job, hyperparameters(source.job, values))


def _comparable(job: Job, other: Job) -> bool:
    """Whether the scores of two jobs are of the same kind: of the same values, by the same measure."""
    return (
        job.search.objective == other.search.objective
        and all(getattr(job.data, name) == getattr(other.data, name) for name in _SCORED)
        and job.window.horizon == other.window.horizon
        and job.window.scale == other.window.scale
        and _loss(job) == _loss(other)
    )


def _loss(job: Job) -> Any:
    """What networks are trained by; None where their function decides that by hyperparameters."""
    compiled = job.model.found.compiled if isinstance(job.model, Built) and job.model.found else None
    return compiled.loss if compiled else job.train.loss


def _trained(job: Job, values: Values) -> Params:
    """What a configuration trains, however long."""
    params = resolve(job, values)
    return replace(params, train=replace(params.train, max_epochs=1, patience=None, min_delta=0.0))


def _told(job: Job, source: Source, rungs: tuple[int, ...]) -> list[dict[str, Any]]:
    """The best score of each trial at every rung that it came to, and at its end, with its values then."""
    found = []
    for trial in source.results.trials.values():
        for theirs, standings in groupby(_standings(trial, rungs), key=itemgetter(0)):
            values = _values(job, source, theirs)
            if values is not None and _trained(job, values) == _trained(source.job, theirs):
                found += [{"values": values, "epoch": epoch, "score": score} for _, epoch, score in standings]
    return found


def _standings(trial: Trial, rungs: tuple[int, ...]) -> Iterator[tuple[Values, int, float]]:
    """The best score until each of the epochs that are compared, and what the trial then trained with."""
    if not trial.eligible:
        return
    for epoch in sorted({*(rung for rung in rungs if rung < trial.epochs_trained), trial.epochs_trained}):
        scores = [(score, at) for at, score in trial.history if at <= epoch and score is not None]
        if scores:
            score, at = min(scores)
            yield trial.values_at(at), epoch, score
