"""The rule that a job names."""

from __future__ import annotations

from jobs.errors import JobError
from jobs.fidelity import Fidelity
from jobs.params import space_of
from jobs.spec import Job
from runner.mutation import MUTABLE, mutable
from runner.schedulers.asha import Asha, PromotingAsha
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.median import Median
from runner.schedulers.pbt import PopulationBased
from runner.schedulers.rule import Scheduler
from runner.searchers.axes import Axes
from runner.searchers.hyperband import OracleHyperband


def make_scheduler(job: Job, fidelity: Fidelity) -> Scheduler:
    """Fresh, its epochs counted as ``fidelity`` does.

    Raises:
        JobError: the space is not one that this rule can be used for.
    """
    search, epochs = job.search, fidelity.epochs(job.train.max_epochs)
    least = fidelity.epochs(search.min_epochs) if search.min_epochs else 1
    match search.scheduler:
        case "none":
            return Scheduler()
        case "asha":
            kind = PromotingAsha if search.promotion else Asha
            return kind(max_epochs=epochs, factor=search.factor, min_epochs=least)
        case "hyperband":
            return _hyperband(job, epochs, least)
        case "median":
            return Median(max_epochs=epochs, min_epochs=least)
        case "pbt":
            if not mutable(space_of(job)):
                raise JobError(
                    "search.scheduler: pbt changes hyperparameters while it trains, and none that can be "
                    f"changed is searched; search one of {', '.join(MUTABLE)}"
                )
            return PopulationBased(max_epochs=epochs, interval=interval(job, fidelity), seed=search.seed)


def _hyperband(job: Job, epochs: int, least: int) -> Scheduler:
    """Recur's own, which any searcher can feed, or the one that KerasTuner's oracle brings."""
    search = job.search
    if search.algorithm != "hyperband":
        iterations = search.hyperband_iterations
        return Hyperband(max_epochs=epochs, factor=search.factor, min_epochs=least, iterations=iterations)
    axes = Axes.of(space_of(job))
    if not axes.all:
        raise JobError("search.algorithm: hyperband needs hyperparameters to choose, and the job has none")
    return OracleHyperband(
        axes,
        max_epochs=epochs,
        factor=search.factor,
        iterations=search.hyperband_iterations,
        seed=search.seed,
    )


def interval(job: Job, fidelity: Fidelity) -> int:
    """Epochs of a generation: the job's, else a tenth of all."""
    search = job.search
    if search.min_epochs is not None:
        return fidelity.epochs(search.min_epochs)
    return max(1, fidelity.epochs(job.train.max_epochs) // 10)
