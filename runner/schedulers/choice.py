"""The rule that a job names."""

from __future__ import annotations

from jobs.fidelity import Fidelity
from jobs.spec import Job
from runner.schedulers.asha import Asha, PromotingAsha
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.median import Median
from runner.schedulers.pbt import PopulationBased
from runner.schedulers.rule import Scheduler


def make_scheduler(job: Job, fidelity: Fidelity) -> Scheduler:
    """Fresh, its epochs counted as ``fidelity`` does."""
    search, epochs = job.search, fidelity.epochs(job.train.max_epochs)
    least = fidelity.epochs(search.min_epochs) if search.min_epochs else 1
    match search.scheduler:
        case "none":
            return Scheduler()
        case "asha":
            kind = PromotingAsha if search.promotion else Asha
            return kind(max_epochs=epochs, factor=search.factor, min_epochs=least)
        case "hyperband":
            return Hyperband(
                max_epochs=epochs,
                factor=search.factor,
                min_epochs=least,
                iterations=search.hyperband_iterations,
            )
        case "median":
            return Median(max_epochs=epochs, min_epochs=least)
        case "pbt":
            return PopulationBased(max_epochs=epochs, interval=interval(job, fidelity), seed=search.seed)


def interval(job: Job, fidelity: Fidelity) -> int:
    """Epochs of a generation: the job's, else a tenth of all."""
    search = job.search
    if search.min_epochs is not None:
        return fidelity.epochs(search.min_epochs)
    return max(1, fidelity.epochs(job.train.max_epochs) // 10)
