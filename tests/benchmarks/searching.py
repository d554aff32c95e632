"""How good the best trial is after so many, by algorithm, on virtual trials whose best loss is known.

Run as ``python -m tests.benchmarks.searching [--seeds 10] [--scheduler asha] [--algorithms tpe random]``.

The trials are those of ``tests.runner.landscape``: no network is trained, a sweep takes as long as its asks.
The figure is the noiseless loss of the trial that a user would be given after so many trials, that with
the best score, less the least loss there is, as the median over seeds; 4 workers.  ``extended`` is a sweep of
half as many trials that was extended to the whole number.  KerasTuner's hyperband has its own number of
trials and is printed at the end of its sweep, with the epochs that it trained.  Grid is left out: its order
is fixed, so that of a large grid a hundred trials say nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import numpy as np

from runner.trial import Trial
from tests.runner.landscape import Landscape, landscape_job, loss
from tests.runner.pool import Lines, Pool, make_conductor, start_of

AFTER = (25, 50, 100)
WORKERS = 4
ALGORITHMS = ("random", "tpe", "bayesian", "hyperband")


@dataclass(frozen=True)
class Outcome:
    """One sweep: the regret after so many trials, the epochs it trained, and seconds for each ask."""

    regret: tuple[float, ...]
    epochs: int
    seconds: float


def search(algorithm: str, scheduler: str, seed: int, *, halves: bool = False) -> Outcome:
    """Run a sweep, in one go or the second half as an extension of the first."""
    began = time.perf_counter()
    log, saved = Lines(), dict[str, int]()
    for trials in (AFTER[-1] // 2, AFTER[-1]) if halves else (AFTER[-1],):
        job = landscape_job(algorithm, seed=seed, trials=trials, scheduler=scheduler)
        log = Lines([*log, start_of(job)])
        conductor = make_conductor(job, log, log)
        pool = Pool(
            conductor, Landscape(conductor, seed), WORKERS, np.random.default_rng(seed), saved=dict(saved)
        )
        pool.run()
        saved = pool.saved
    results = conductor.results
    trials_run = list(results.trials.values())
    seconds = (time.perf_counter() - began) / len(trials_run)
    after = AFTER if algorithm != "hyperband" else (len(trials_run),)
    return Outcome(
        tuple(_regret(trials_run[:count]) for count in after), int(results.epochs_trained()), seconds
    )


def _regret(trials: list[Trial]) -> float:
    best = min((trial for trial in trials if trial.eligible), key=Trial.rank)
    return loss(best.values) - 0.1


def main() -> None:
    """Print a line for each algorithm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--scheduler", default="none")
    parser.add_argument("--algorithms", nargs="+", default=[*ALGORITHMS, "tpe extended"])
    args = parser.parse_args()
    print(f"{'median regret after':22}" + "".join(f"{count:>9}" for count in AFTER) + "   epochs  s/trial")
    for name in args.algorithms:
        algorithm, _, halves = name.partition(" ")
        found = [search(algorithm, args.scheduler, seed, halves=bool(halves)) for seed in range(args.seeds)]
        regrets = [statistics.median(column) for column in zip(*(each.regret for each in found), strict=True)]
        blank = " " * 9 * (len(AFTER) - len(regrets))
        line = blank + "".join(f"{regret:9.4f}" for regret in regrets)
        epochs, seconds = (
            statistics.median(getattr(each, field) for each in found) for field in ("epochs", "seconds")
        )
        print(f"{name:22}{line}{epochs:9.0f}{seconds:9.3f}", flush=True)


if __name__ == "__main__":
    main()
