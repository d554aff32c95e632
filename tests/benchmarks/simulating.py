"""Ten thousand virtual trials through the conductor, by every scheduler.

Run as ``python -m tests.benchmarks.simulating [--trials 10000]``.

Nothing is trained and nothing is written: what is timed is asking, deciding and remembering, for results
that arrive in random order from eight workers.  Printed are the seconds, the results and the microseconds a
result.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from jobs.spec import Job
from tests.runner.curves import draw_curves, make_job
from tests.runner.pool import Pool, fresh_conductor

EPOCHS, WORKERS = 27, 8
SCHEDULERS = ("none", "asha", "promotion", "hyperband", "median", "pbt")


def job_of(scheduler: str, trials: int) -> Job:
    """A job with as many trials by that scheduler."""
    search: dict[str, object] = {"scheduler": scheduler, "trials": trials}
    if scheduler == "promotion":
        search |= {"scheduler": "asha", "promotion": "true"}
    if scheduler == "hyperband":
        search = {"scheduler": scheduler, "hyperband_iterations": max(1, round(trials / 49))}
    return make_job(
        search=search,
        train={"max_epochs": EPOCHS, "learning_rate": "{float: {min: 0.0001, max: 0.1}}"},
        model={"units": "{int: {min: 1, max: 1000}}"},
    )


def main() -> None:
    """Print a line for each scheduler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    asked = parser.parse_args()
    print(f"{'scheduler':12}{'trials':>8}{'results':>10}{'seconds':>10}{'us a result':>13}")
    for scheduler in SCHEDULERS:
        conductor = fresh_conductor(job_of(scheduler, asked.trials))
        curves = draw_curves(0, conductor.planned, EPOCHS, 0.05)
        pool = Pool(conductor, curves, WORKERS, np.random.default_rng(0))
        began = time.perf_counter()
        pool.run(10**9)
        seconds = time.perf_counter() - began
        count = sum(len(trial.history) for trial in conductor.results.trials.values())
        print(f"{scheduler:12}{conductor.planned:8}{count:10}{seconds:10.1f}{1e6 * seconds / count:13.0f}")


if __name__ == "__main__":
    main()
