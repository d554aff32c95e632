"""The searcher that a job names, and how many trials there will be."""

from __future__ import annotations

from jobs.space import Space
from jobs.spec import Job
from runner.launch import DEFAULT_TRIALS
from runner.schedulers.rule import Scheduler
from runner.searchers.random import RandomSearch
from runner.searchers.rule import Searcher


def make_searcher(job: Job, space: Space) -> Searcher:
    """Fresh."""
    return RandomSearch(space, job.search.seed)


def planned_trials(asked: int | None, space: Space, scheduler: Scheduler, searcher: Searcher) -> int:
    """How many trials a sweep has: the scheduler's, else the job's, else the searcher's, else a usual number.

    Never more than the space holds.
    """
    own = scheduler.trials()
    if own is not None:
        return own
    return int(min(asked or searcher.trials() or DEFAULT_TRIALS, space.size()))
