"""The training process with its Keras taken out: ``runner.worker`` as it is, round a trial without work.

What it says, waits for, saves and deletes goes the real way; the state and the model are a few bytes.
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.report import EpochReport, Hooks
from tests.archive import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable


def train(task: Any, hooks: Hooks, resume_from: bytes | None = None, known_epochs: int = 0) -> None:
    """Report every epoch at once; the scores are drawn from the trial's seed."""
    del resume_from
    scores = np.random.default_rng(task.seed).random(task.params.train.max_epochs)
    pause = float(os.environ.get("RECUR_TRIVIAL_PAUSE", "0"))  # seconds that an epoch takes
    for epoch in range(known_epochs + 1, len(scores) + 1):
        time.sleep(pause)
        best = int(scores[:epoch].argmin())
        last = epoch == len(scores)
        promising = task.to_beat is None or scores[best] <= task.to_beat
        if promising and (last or epoch in task.milestones):
            hooks.save(state=None if last else bytes, model=EMPTY, epoch=best + 1, wait=True)
        report = EpochReport(
            epoch=epoch,
            score=float(scores[epoch - 1]),
            best_score=float(scores[best]),
            best_epoch=best + 1,
            metrics={"loss": float(scores[epoch - 1]), "val_loss": float(scores[epoch - 1])},
            seconds=0.0,
            ended="done" if last else None,
        )
        if not hooks.report(report):
            return
        if epoch in task.milestones and not promising:
            hooks.save(state=bytes, model=None, epoch=best + 1, wait=False)


def _stand_in(name: str, **content: Callable[..., Any]) -> None:
    """Put a module in the place of one that imports Keras."""
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


if __name__ == "__main__":
    _stand_in("jobs.train", Task=SimpleNamespace, train=train)
    _stand_in("jobs.checkpoint", load_model=lambda data: data)
    _stand_in("jobs.forecast", score_test=lambda *_: {"model": {"mse": 1.0}, "seasonal_naive": {"mse": 1.0}})
    from runner.worker import main

    main()
