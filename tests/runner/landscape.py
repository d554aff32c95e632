"""Virtual trials whose quality depends on their hyperparameters, for searchers to find their way in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from jobs.space import Values
from jobs.spec import Job
from runner.conductor import Conductor
from tests.runner.curves import Curve, make_job

EPOCHS = 27


def landscape_job(algorithm: str, *, seed: int, trials: int, scheduler: str = "none") -> Job:
    """A job of seven hyperparameters, of which some matter much, some little, and two together."""
    search = {"algorithm": algorithm, "seed": seed}
    if algorithm != "hyperband":
        search |= {"trials": trials, "scheduler": scheduler}
    return make_job(
        model={
            "cell": "{choice: [simple_rnn, gru, lstm]}",
            "layers": "{int: {min: 1, max: 3}}",
            "units": "{int: {min: 8, max: 256, step: 8}}",
            "dropout": "{float: {min: 0.0, max: 0.5}}",
            "reset_after": "{boolean: }",
        },
        train={
            "max_epochs": EPOCHS,
            "learning_rate": "{float: {min: 1e-5, max: 1e-1, sampling: log}}",
            "batch_size": "{int: {min: 16, max: 256, step: 2, sampling: log}}",
        },
        search=search,
    )


def loss(values: Values) -> float:
    """What a configuration comes to if it is trained for ever; the best is about 0.1."""
    get: dict[str, Any] = dict(values)
    rate = math.log10(get["train.learning_rate"])
    width = math.log2(get["model.units"])
    cell = {"simple_rnn": 0.3, "gru": 0.0, "lstm": 0.05}[get["model.cell"]]
    return (
        0.1
        + cell
        + 0.25 * (rate + 2.6 + 0.3 * (width - 6)) ** 2
        + 0.06 * (width - 6.6) ** 2
        + 2.0 * (get["model.dropout"] - 0.15) ** 2
        + 0.03 * abs(get["model.layers"] - 2)
        + 0.01 * abs(math.log2(get["train.batch_size"]) - 6)
    )


class Landscape(Sequence[Curve]):
    """A curve for each trial of a conductor: it falls to its configuration's loss, and is noisy."""

    def __init__(self, conductor: Conductor, seed: int) -> None:
        self._conductor, self._seed = conductor, seed

    def __len__(self) -> int:
        return self._conductor.planned

    @overload
    def __getitem__(self, index: int) -> Curve: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Curve]: ...
    def __getitem__(self, index: int | slice) -> Curve | Sequence[Curve]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        results = self._conductor.results
        values = results.trials[results.numbered[index]].values
        rng = np.random.default_rng([self._seed, index])
        falling = loss(values) + rng.uniform(0.4, 0.8) * np.arange(1, EPOCHS + 1) ** -0.8
        return Curve(tuple((falling + rng.normal(0, 0.01, EPOCHS)).tolist()), EPOCHS)
