"""Users' hypermodels, what is opened of a module that has them, and trials of what they build."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from jobs.checkpoint import load_model
from jobs.cut import Cutter
from jobs.feed import Feed
from jobs.forecast import Served
from jobs.hypermodel import Hypermodel, load_hypermodel
from jobs.material import Material
from jobs.params import BuildParams, Params
from jobs.space import Values
from jobs.train import Task, train
from jobs.windows import make_windows
from tests.jobs.listener import Listener, task
from tests.jobs.small import params

HEAD = """
import keras
import keras_tuner as kt
"""

PLAIN = (
    HEAD
    + """
def build(hp):
    model = keras.Sequential([keras.layers.SimpleRNN(hp.Int("units", 2, 4)), keras.layers.Dropout(0.2)])
    model.add(keras.layers.Dense(2))
    model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model
"""
)

OWN_FIT = (
    HEAD
    + """
class Mine(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.SimpleRNN(hp.Int("units", 2, 4)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch", [8, 16]), **kwargs)


class Silent(Mine):
    def fit(self, hp, model, x, y, validation_data):
        return model.fit(x, y, validation_data=validation_data, epochs=3)


class Loop(Mine):
    def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
        for callback in callbacks:
            callback.set_model(model)
        for epoch in range(2):
            loss = model.train_on_batch(x, y)
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"loss": float(loss)})
        return float(loss)
"""
)

REGRESSOR = """
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge


def build(hp):
    if hp.Choice("kind", ["forest", "ridge"]) == "ridge":
        return Ridge(alpha=hp.Float("alpha", 1e-3, 1.0, sampling="log"))
    return RandomForestRegressor(n_estimators=hp.Int("trees", 3, 9))
"""


def built(folder: str, name: str = "build", values: Values | None = None, **changes: Any) -> Params:
    """A trial of what the module has by this name."""
    return replace(
        params(**({"loss": "loss"} | changes)), build=BuildParams(f"mine:{name}", folder, values or {})
    )


def material_of(given: Task) -> Material:
    """The windows that a trial is trained on, as its function is given them."""
    windows = make_windows(given.folds[0], given.params.window)
    feed = Feed(Cutter(given.panel, given.params.window), given.scalers[0])
    return Material(feed, windows.train, windows.validation)


def as_regressor(chosen: Params) -> Params:
    """The same trial, of a function that is known to build a regressor."""
    assert chosen.build is not None
    return replace(chosen, build=replace(chosen.build, kind="regressor"))


def opened(folder: str, name: str = "build", **changes: Any) -> tuple[Hypermodel, Material, Params]:
    """What the module has by this name, the windows it is trained on, and a trial of it."""
    chosen = built(folder, name, **changes)
    material = material_of(task(chosen))
    return load_hypermodel(f"mine:{name}", folder, material), material, chosen


def trained(given: Task, resume_from: bytes | None = None, known_epochs: int = 0, **listens: Any) -> Listener:
    """Train and give what the listener was told."""
    listener = Listener(**listens)
    train(given, listener, resume_from, known_epochs)
    return listener


def served_error(given: Task, model: bytes) -> float:
    """A saved model's mean squared error over the validation windows, in deviations of the target."""
    starts = make_windows(given.folds[0], given.params.window).validation[:]
    served = Served(load_model(model), Cutter(given.panel, given.params.window)).forecast(starts)
    actual = np.stack([given.panel.rows[start + 6 : start + 8, :1] for start in starts])
    return float(np.mean(((served - actual) / given.scalers[0].spread[0, 0]) ** 2))
