"""Plain Ray Tune with trials that do no work; run as a process of its own by ``trivial_trials``."""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler


class Trivial(tune.Trainable):  # type: ignore[misc]
    """Reports a random score after each epoch."""

    def setup(self, config: dict[str, Any]) -> None:
        """Nothing to prepare."""

    def step(self) -> dict[str, Any]:
        """One epoch."""
        return {"val_loss": random.random()}  # noqa: S311

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Nothing to change."""
        del new_config
        return True


class Times(tune.Callback):  # type: ignore[misc]
    """Notes when results come and when trials end."""

    def __init__(self) -> None:
        self.results: list[float] = []
        self.ends: list[float] = []

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note it."""
        del iteration, trials, trial, result, info
        self.results.append(time.time())

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note it."""
        del iteration, trials, trial, info
        self.ends.append(time.time())


def search(folder: str, trials: int, epochs: int, asha: bool) -> Times:  # noqa: FBT001
    """As Ray's documentation has it, with actors reused."""
    times = Times()
    scheduler = ASHAScheduler(max_t=max(epochs, 2), grace_period=1, reduction_factor=3) if asha else None
    results = tune.Tuner(
        Trivial,
        param_space={"units": tune.randint(1, 1000), "learning_rate": tune.loguniform(1e-4, 1e-2)},
        tune_config=tune.TuneConfig(
            metric="val_loss", mode="min", num_samples=trials, scheduler=scheduler, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            storage_path=folder,
            verbose=0,
            stop={"training_iteration": epochs},
            callbacks=[times],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    if results.num_errors or len(times.ends) != trials:
        raise RuntimeError(f"{len(times.ends)} of {trials} trials ended, {results.num_errors} failed")
    return times


if __name__ == "__main__":
    print(json.dumps(vars(search(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "asha"))))
