"""Windows a second from the feeder alone, against what training a network takes.

Run as ``python -m tests.benchmarks.feeding [--steps 2000000]``; ``--help`` shows the rest.

The feeder shuffles a pass and gathers its windows into batches of 64 (lookback 96, horizon 24, 7 columns)
from a panel in memory.  The network is a GRU with 32 units on one core, fed by the same feeder; its figure is
that of the second of two epochs, compilation not counted.
"""

from __future__ import annotations

import argparse
import os
import time

BATCH, LOOKBACK, EPOCH = 64, 96, 16_384


def feed(steps: int) -> float:
    """Windows a second out of one pass."""
    from jobs.cut import Cutter
    from jobs.feed import Feed, Passes
    from jobs.windows import make_windows
    from tests.benchmarks._panel import make_panel, make_params, make_task

    panel = make_panel(steps)
    task = make_task(make_params("gru", 1, 32, lookback=LOOKBACK, epochs=1), panel, 0)
    starts = make_windows(task.folds[0], task.params.window).train
    feeder, order = (
        Feed(Cutter(panel, task.params.window), task.scalers[0]),
        Passes(starts, 0).order(0, len(starts)),
    )
    capacity = feeder.capacity(BATCH)
    began = time.perf_counter()
    for begin in range(0, len(order), BATCH * capacity):
        feeder.gather(order[begin : begin + BATCH * capacity], batch=BATCH, capacity=capacity)
    return len(order) / (time.perf_counter() - began)


def train() -> float:
    """Windows a second that a GRU(32) is trained on."""
    from jobs.report import EpochReport
    from jobs.train import train
    from tests.benchmarks._panel import make_panel, make_params, make_task

    class Listener:
        rates: list[float]

        def report(self, report: EpochReport) -> bool:
            self.rates.append(float(report.vitals["windows_per_second"] or 0))
            return True

        def save(self, **_: object) -> None:
            """Keep nothing."""

        def interrupted(self, *, alive: bool = True) -> bool:
            del alive
            return False

    listener = Listener()
    listener.rates = []
    panel = make_panel(30_000)
    params = make_params("gru", 1, 32, lookback=LOOKBACK, epochs=2, epoch_windows=EPOCH)
    train(make_task(params, panel, 0), listener)
    return listener.rates[-1]


def main() -> None:
    """Measure both and print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.feeding", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--steps", type=int, default=2_000_000, help="of the panel: %(default)s")
    arguments = parser.parse_args()
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    fed, trained = feed(arguments.steps), train()
    print(f"feeder alone: {fed:,.0f} windows/s; GRU(32): {trained:,.0f} windows/s; {fed / trained:.1f} x")


if __name__ == "__main__":
    main()
