"""``recur`` with trials that do no work; a process of its own that ``trivial_trials`` runs calls ``run``.

Not as a script, for Ray's actors have to find the classes by this module's name.
"""

from __future__ import annotations

from runner import actor
from runner.cli import main
from runner.process import WorkerProcess


class TrivialProcess(WorkerProcess):
    """Trains nothing, at once."""

    module = "tests.benchmarks._trivial_worker"


class TrivialRunner(actor.LegRunner):
    """The real actor, round that process."""

    process = TrivialProcess


def run() -> None:
    """The real command."""
    actor.LegRunner = TrivialRunner
    main()
