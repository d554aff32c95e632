"""``recur`` on cards that are not there: all is real but for what a training process does with one.

Ray counts the cards that it is told of, so shares, places and environments are the real ones; the training
that needs a backend on a GPU is a stand-in, which tells what it was given and runs out of memory when asked.
Not as a script, for Ray's actors have to find the classes by this module's name.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jobs.accelerator
from jobs.report import EpochReport, Hooks
from runner import actor
from runner.cli import main
from runner.process import GPU_SHARE, WorkerProcess
from tests.archive import EMPTY

NEEDS = {1: 0.0, 2: 0.5, 3: 2.0}  # units, and the share of a card that a network of so many takes
TOLD = ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION", "JAX_PLATFORMS")


class CardProcess(WorkerProcess):
    """Trains on a card that is not there."""

    module = "tests.runner.card_recur"


class CardRunner(actor.LegRunner):
    """The real actor, round that process."""

    process = CardProcess


def run() -> None:
    """The real command."""
    actor.LegRunner = CardRunner  # type: ignore[misc]
    main()


def train(task: Any, hooks: Hooks, resume_from: bytes | None = None, known_epochs: int = 0) -> None:
    """Tell what was given, in a file; then one epoch, if the share is large enough."""
    del resume_from, known_epochs
    share, units = float(os.environ[GPU_SHARE]), task.params.network.layers[0].units
    told = [str(units), str(share), str(task.gpu), *(os.environ.get(name, "-") for name in TOLD)]
    with Path(os.environ["RECUR_TEST_TOLD"]).open("a", encoding="utf-8") as file:
        file.write(" ".join(told) + "\n")
    time.sleep(0.5)
    if share < NEEDS[units]:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes")
    hooks.save(state=None, model=EMPTY, epoch=1, wait=True)
    hooks.report(EpochReport(1, 1 / units, 1 / units, 1, {"val_loss": 1 / units}, 0.0, "done"))


def _stand_in(name: str, **content: Any) -> None:
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


if __name__ == "__main__":
    _stand_in("jobs.train", Task=SimpleNamespace, train=train)
    _stand_in("jobs.checkpoint", load_model=lambda data: data)
    _stand_in("jobs.forecast", score_test=lambda *_: {"model": {"mse": 1.0}, "seasonal_naive": {"mse": 1.0}})
    jobs.accelerator.limit_memory = lambda pool: None  # noqa: ARG005 - there is no backend to tell
    from runner.worker import main as serve

    serve()
