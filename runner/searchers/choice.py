"""The searcher that a job names, and how many trials there will be."""

from __future__ import annotations

from jobs.searchspec import DEFAULT_TRIALS
from jobs.space import Space
from jobs.spec import Job
from runner.schedulers.rule import Scheduler
from runner.searchers.bayesian import BayesianSearch
from runner.searchers.grid import GridSearch
from runner.searchers.hyperband import OracleHyperband
from runner.searchers.random import RandomSearch
from runner.searchers.rule import Searcher
from runner.searchers.tpe import TPE


def make_searcher(job: Job, space: Space, scheduler: Scheduler) -> Searcher:
    """Fresh; ``scheduler`` is the one that is told the same events.

    Raises:
        JobError: the space cannot be searched in this way.
    """
    seed = job.search.seed
    match job.search.algorithm:
        case "random":
            return RandomSearch(space, seed)
        case "grid":
            return GridSearch(space)
        case "bayesian":
            return BayesianSearch(space, seed)
        case "tpe":
            return TPE(space, seed)
        case "hyperband":
            assert isinstance(scheduler, OracleHyperband), "the job file's check sees to it"  # noqa: S101
            return scheduler.searcher()


def planned_trials(asked: int | None, space: Space, scheduler: Scheduler, searcher: Searcher) -> int:
    """How many trials a sweep has: the scheduler's, else the job's, else the searcher's, else a usual number.

    Never more than the space holds.
    """
    own = scheduler.trials()
    if own is not None:
        return own
    return int(min(asked or searcher.trials() or DEFAULT_TRIALS, space.size()))
