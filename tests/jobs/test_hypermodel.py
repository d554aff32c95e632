"""Users' own hypermodels: discovered, trained by their own compile or fit, saved, gone on with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobs.checkpoint import load_model
from jobs.compiled import CompiledLearner
from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.defaults import default_values
from jobs.discovery import discover
from jobs.errors import JobError
from jobs.feed import Feed
from jobs.forecast import Served
from jobs.hypermodel import Hypermodel, load_hypermodel
from jobs.jobfile import dump_job, parse_job
from jobs.material import Material
from jobs.params import BuildParams, Params
from jobs.space import Space, Values
from jobs.train import Task, train
from jobs.trainstate import TrainState
from jobs.windows import make_windows
from tests.jobs.listener import Listener, task
from tests.jobs.small import job, params, standard, unscaled

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

SCOPES = (
    HEAD
    + """
def build(hp):
    kind = hp.Choice("kind", ["rnn", "dense"])
    hp.Fixed("version", 3)
    model = keras.Sequential([keras.Input((6, 2))])
    with hp.conditional_scope("kind", ["rnn"]):
        if kind == "rnn":
            model.add(keras.layers.SimpleRNN(hp.Int("units", 2, 5)))
            with hp.name_scope("rnn"):
                hp.Boolean("noisy")
    with hp.conditional_scope("kind", ["dense"]):
        if kind == "dense":
            model.add(keras.layers.Flatten())
            model.add(keras.layers.Dense(hp.Int("units", 20, 45, step=10)))
    for index in range(hp.Int("more", 0, 2)):
        model.add(keras.layers.Dense(hp.Int(f"width_{index}", 2, 9, step=3)))
    model.add(keras.layers.Dense(2))
    model.compile("sgd", keras.losses.MeanAbsoluteError())
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


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module and gives its folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def written(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return str(tmp_path)

    return written


def built(folder: str, name: str = "build", values: Values | None = None, **changes: Any) -> Params:
    """A trial of what the module has by this name."""
    return replace(
        params(**({"loss": "loss"} | changes)), build=BuildParams(f"mine:{name}", folder, values or {})
    )


def material_of(given: Task) -> Material:
    windows = make_windows(given.folds[0], given.params.window)
    feed = Feed(Cutter(given.panel, given.params.window), given.scalers[0])
    return Material(feed, windows.train, windows.validation)


def opened(folder: str, name: str = "build", **changes: Any) -> tuple[Hypermodel, Material, Params]:
    chosen = built(folder, name, **changes)
    material = material_of(task(chosen))
    return load_hypermodel(f"mine:{name}", folder, material), material, chosen


def trained(given: Task, resume_from: bytes | None = None, known_epochs: int = 0, **listens: Any) -> Listener:
    listener = Listener(**listens)
    train(given, listener, resume_from, known_epochs)
    return listener


# Loading


def refused(folder: str, name: str = "build") -> str:
    with pytest.raises(JobError) as error:
        discover(*opened(folder, name))
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("def other(hp): ...\n", "build", "has no build; it has other"),
        ("raise KeyError('x')\n", "build", "raised KeyError: 'x' (line 1 of "),
        ("import nowhere_at_all\n", "build", "raised ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("build = 3\n", "build", "is neither a function nor a HyperModel, but 3"),
        (
            "def build(hp):\n    return 1 / 0\n",
            "build",
            "raised ZeroDivisionError: division by zero (line 2 of ",
        ),
        ("def build(hp):\n    hp.Int('a', 1, 2)\n", "build", "returned None, no Keras model"),
        (
            HEAD + "def build(hp): return keras.Sequential([keras.Input((9, 2)), keras.layers.LSTM(2)])\n",
            "build",
            "takes [(9, 2)] and not",
        ),
        (PLAIN.replace("Dense(2)", "Dense(3)"), "build", "output is (batch, 3), and forecasts"),
        (
            PLAIN.replace("Dropout(0.2)", "Lambda(lambda x: x + 1)"),
            "build",
            "cannot be saved so that Keras alone",
        ),
        ("class Build:\n    def __init__(self, a): ...\n", "Build", "Build() raised TypeError"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    write: Callable[[str], str], text: str, name: str, said: str
) -> None:
    sentence = refused(write(text), name)

    assert sentence.startswith("model.build: ")
    assert said in sentence
    assert "\n" not in sentence


def test_a_module_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    assert refused(str(tmp_path)) == (
        f"model.build: there is no {tmp_path}/mine.py, nor is a module mine installed"
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("job/net.py", "net"),
        ("job/net.py", "net.py"),
        ("job/net.py", "./net.py"),
        ("net.py", "../net.py"),
        ("net.py", "../net"),
        ("job/my.models/net.v2.py", "my.models/net.v2.py"),
        ("job/my.net.py", "my.net.py"),
        ("job/models/net.py", "models.net"),
        ("job/models/net/__init__.py", "models/net"),
        ("net.py", "{folder}/net.py"),
    ],
)
def test_a_module_is_named_by_dots_or_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    material = material_of(task(params()))
    (tmp_path / "job").mkdir()
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("def build(hp): return 'mine'\n")
    where = f"{name.format(folder=tmp_path)}:build"

    assert load_hypermodel(where, str(tmp_path / "job"), material).build(None, material) == "mine"


def test_a_script_runs_as_far_as_to_its_own_search(write: Callable[[str], str], tmp_path: Path) -> None:
    script = (
        PLAIN
        + f"""
kt.RandomSearch(build, "val_loss", max_trials=3, directory={str(tmp_path / "kt")!r}).search(1, 2)
raise SystemExit("the search was run")
"""
    )
    found = discover(*opened(write(script)))

    assert [each.name for each in found.asks] == ["units", "rate"]
    assert not (tmp_path / "kt").exists()


def test_windows_are_where_scripts_look_for_them(write: Callable[[str], str]) -> None:
    script = (
        HEAD
        + """
def build(hp):
    hp.Choice("seen", [str((X_train.shape, y_train.shape, x_val.shape, y_val.shape))])
    model = keras.Sequential([keras.Input(X_train.shape[1:]), keras.layers.Flatten()])
    model.add(keras.layers.Dense(y_train.shape[1]))
    return model
"""
    )
    found = discover(*opened(write(script)))

    assert found.asks[0].values.probes() == ["((29, 6, 2), (29, 2), (11, 6, 2), (11, 2))"]
    assert found.compiled is None


def test_shapes_are_told_to_who_asks(write: Callable[[str], str]) -> None:
    script = (
        HEAD
        + """
def build(hp, shapes):
    hp.Choice("seen", [str((shapes.input, shapes.output, shapes.columns, shapes.targets))])
    return keras.Sequential([keras.Input(shapes.input), keras.layers.Flatten(), keras.layers.Dense(2)])
"""
    )
    found = discover(*opened(write(script)))

    assert found.asks[0].values.probes() == ["((6, 2), (2,), ('c0', 'c1'), ('c0',))"]


# Discovering


def test_scopes_and_what_only_some_values_ask_are_found(write: Callable[[str], str]) -> None:
    found = discover(*opened(write(SCOPES)))

    assert [(each.name, [(c.name, c.values) for c in each.when]) for each in found.asks] == [
        ("kind", []),
        ("version", []),
        ("units", [("kind", ("rnn",))]),
        ("rnn/noisy", [("kind", ("rnn",))]),
        ("more", []),
        ("units", [("kind", ("dense",))]),
        ("width_0", []),
        ("width_1", []),
    ]
    assert [each.values.describe() for each in found.asks] == [
        {"choice": ["rnn", "dense"]},
        {"choice": [3]},
        {"int": {"min": 2, "max": 5}},
        {"boolean": {}},
        {"int": {"min": 0, "max": 2}},
        {"int": {"min": 20, "max": 40, "step": 10}},
        {"int": {"min": 2, "max": 8, "step": 3}},
        {"int": {"min": 2, "max": 8, "step": 3}},
    ]
    assert found.compiled is not None
    assert (found.compiled.optimizer, found.compiled.learning_rate, found.compiled.loss) == (
        "sgd",
        0.01,
        "mae",
    )
    assert (
        Space(tuple(each.parameter() for each in found.asks), lambda _: 0).size() == (4 * 2 + 3) * 3 * 3 * 3
    )


def test_what_a_fit_asks_is_found(write: Callable[[str], str]) -> None:
    found = discover(*opened(write(OWN_FIT), "Mine"))

    assert [each.name for each in found.asks] == ["units", "batch"]


DEFAULTS = (
    HEAD
    + """
def build(hp):
    kind = hp.Choice("kind", ["rnn", "dense"], default="dense")
    with hp.conditional_scope("kind", ["rnn"]):
        if kind == "rnn":
            hp.Int("units", 2, 64, default=16)
            hp.Int("steps", 2, 64, default=16)
    with hp.conditional_scope("kind", ["dense"]):
        if kind == "dense":
            hp.Int("units", 2, 64, default=32)
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Float("share", 0.0, 0.5, step=0.1, default=0.3)
    hp.Choice("batch", [8, 16, 32], default=16)
    hp.Boolean("wide", default=True)
    hp.Int("none", 3, 5)
    model = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model
"""
)


def test_the_functions_own_defaults_are_the_first_configuration(write: Callable[[str], str]) -> None:
    found = discover(*opened(write(DEFAULTS)))
    whole = {"build": "mine:build", "found": found.model_dump(mode="json")}

    asked = parse_job(dump_job(job(f"model={json.dumps(whole)}")), source="spec.yaml")

    assert default_values(asked) == {
        "kind": "dense",
        "units": 32,
        "rate": 1e-3,
        "share": 0.3,
        "batch": 16,
        "wide": True,
        "none": 3,
    }


# Training


def test_a_network_learns_by_its_own_compile_and_is_saved_with_its_scaling(
    write: Callable[[str], str],
) -> None:
    given = task(built(write(PLAIN), values={"units": 4, "rate": 0.02}, max_epochs=6))
    found = trained(given)

    losses = [report.metrics["val_loss"] for report in found.reports]
    assert [report.ended for report in found.reports] == [None] * 5 + ["done"]
    assert losses[-1] < losses[0]
    starts = make_windows(given.folds[0], given.params.window).validation[:]
    served = Served(load_model(found.model), Cutter(given.panel, given.params.window)).forecast(starts)
    actual = np.stack([given.panel.rows[start + 6 : start + 8, :1] for start in starts])
    error = float(np.mean(((served - actual) / given.scalers[0].spread[0, 0]) ** 2))
    assert error == pytest.approx(found.reports[-1].best_score, rel=1e-4)


def test_a_resumed_trial_is_the_uninterrupted_one(write: Callable[[str], str]) -> None:
    given = task(
        built(write(PLAIN), values={"units": 3, "rate": 0.01}, max_epochs=4), milestones=(2,), pauses=True
    )
    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    told = [report.metrics for report in whole.reports]
    assert [report.metrics for report in half.reports + rest.reports] == told
    assert [report.epoch for report in rest.reports] == [3, 4]


def test_a_trial_that_goes_on_from_another_has_a_learning_rate_of_its_own(
    write: Callable[[str], str],
) -> None:
    hypermodel, material, chosen = opened(write(PLAIN))
    ours, theirs = (
        CompiledLearner(
            replace(chosen, build=BuildParams("mine:build", None, {"units": 3, "rate": rate})),
            hypermodel,
            material,
            1,
        )
        for rate in (0.02, 0.07)
    )
    ours.arrays = theirs.arrays

    assert float(ours._model.optimizer.learning_rate) == pytest.approx(0.02)
    assert all(map(np.array_equal, ours.arrays, theirs.arrays))


def test_a_network_without_a_compile_is_trained_as_the_job_says(write: Callable[[str], str]) -> None:
    text = (
        PLAIN.replace("    model.compile(", "    dict(a=")
        .replace('"mse")', "b=1)")
        .replace("dict(a=", "dict(a=")
    )
    chosen = built(
        write(text), values={"units": 3}, optimizer="sgd", learning_rate=0.05, schedule="cosine", loss="huber"
    )
    build = chosen.build
    assert build is not None
    found = trained(
        task(replace(chosen, build=replace(build, compiled=False), train=replace(chosen.train, max_epochs=3)))
    )

    assert [report.epoch for report in found.reports] == [1, 2, 3]
    assert set(found.reports[0].metrics) == {"loss", "val_loss", "val_mse", "val_mae", "val_huber"}


@pytest.mark.parametrize("scale", ["instance", "instance_standard"])
def test_windows_on_their_own_level_are_forecast_there(write: Callable[[str], str], scale: str) -> None:
    given = task(
        built(write(PLAIN), values={"units": 3, "rate": 0.01}, max_epochs=2, scale=scale, objective="val_mse")
    )
    found = trained(given)

    starts = make_windows(given.folds[0], given.params.window).validation[:]
    served = Served(load_model(found.model), Cutter(given.panel, given.params.window)).forecast(starts)
    actual = np.stack([given.panel.rows[start + 6 : start + 8, :1] for start in starts])
    error = float(np.mean(((served - actual) / given.scalers[0].spread[0, 0]) ** 2))
    assert error == pytest.approx(found.reports[-1].best_score, rel=1e-4)


def test_a_trial_of_several_executions_is_scored_by_their_mean(write: Callable[[str], str]) -> None:
    folder = write(PLAIN)
    chosen = built(folder, values={"units": 3, "rate": 0.01}, max_epochs=1)
    alone = trained(task(chosen)).reports[0]
    both = trained(task(replace(chosen, train=replace(chosen.train, executions=2)))).reports[0]
    again = trained(task(chosen, seed=3 + 15_485_863)).reports[0]

    assert both.score == pytest.approx((alone.score + again.score) / 2, rel=1e-5)
    assert both.metrics["score_spread"] > 0


# A fit of its own


def test_a_fit_with_callbacks_is_a_trial_like_any_other(write: Callable[[str], str]) -> None:
    given = task(
        built(write(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=4), milestones=(2,), pauses=True
    )
    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    assert [report.epoch for report in whole.reports] == [1, 2, 3, 4]
    assert [report.ended for report in whole.reports] == [None, None, None, "done"]
    assert [report.epoch for report in half.reports] == [1, 2]
    assert [report.epoch for report in rest.reports] == [3, 4]
    assert [report.score for report in half.reports + rest.reports] == [r.score for r in whole.reports]
    assert TrainState.from_bytes(half.state).now[1] == 2


def test_a_fit_without_callbacks_is_one_rung(write: Callable[[str], str]) -> None:
    (report,) = trained(task(built(write(OWN_FIT), "Silent", {"units": 3}, max_epochs=9))).reports

    assert (report.epoch, report.ended) == (1, "done")


def test_a_loop_of_ones_own_ends_the_trial_where_it_ends(write: Callable[[str], str]) -> None:
    found = trained(task(built(write(OWN_FIT), "Loop", {"units": 3}, max_epochs=9)))

    assert [(report.epoch, report.ended) for report in found.reports] == [(1, None), (2, None), (2, "done")]


def test_a_loop_that_tells_no_loss_has_not_diverged(write: Callable[[str], str]) -> None:
    text = OWN_FIT.replace('logs={"loss": float(loss)}', 'logs={"mine": 1.0}')
    found = trained(task(built(write(text), "Loop", {"units": 3}, max_epochs=2)))

    assert [report.ended for report in found.reports] == [None, "done"]
    assert all(report.metrics["loss"] is not None for report in found.reports)


def test_a_network_that_diverges_ends_the_trial(write: Callable[[str], str]) -> None:
    found = trained(task(built(write(PLAIN), values={"units": 3, "rate": 1e38}, max_epochs=5)))

    assert found.reports[-1].ended == "diverged"


def test_a_fit_of_ones_own_is_trained_on_every_fold(write: Callable[[str], str]) -> None:
    chosen = built(write(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=2)
    found = trained(task(chosen, split=Split(folds=2)))

    assert [report.epoch for report in found.reports] == [1, 2]
    assert found.reports[-1].metrics["score_spread"] > 0


def test_what_a_fit_raises_is_the_trials_failure(write: Callable[[str], str]) -> None:
    text = OWN_FIT.replace("loss = model.train_on_batch(x, y)", "raise RuntimeError('no luck')")
    with pytest.raises(JobError, match="raised RuntimeError: no luck"):
        trained(task(built(write(text), "Loop", {"units": 3})))


# scikit-learn

REGRESSOR = """
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge


def build(hp):
    if hp.Choice("kind", ["forest", "ridge"]) == "ridge":
        return Ridge(alpha=hp.Float("alpha", 1e-3, 1.0, sampling="log"))
    return RandomForestRegressor(n_estimators=hp.Int("trees", 3, 9))
"""


def as_regressor(chosen: Params) -> Params:
    assert chosen.build is not None
    return replace(chosen, build=replace(chosen.build, kind="regressor"))


@pytest.mark.parametrize("values", [{"kind": "ridge", "alpha": 0.1}, {"kind": "forest", "trees": 4}])
def test_a_regressor_is_fitted_once_and_served_raw(write: Callable[[str], str], values: Values) -> None:
    given = task(as_regressor(built(write(REGRESSOR), values=values)))
    found = trained(given)

    (report,) = found.reports
    assert report.ended == "done"
    starts = make_windows(given.folds[0], given.params.window).validation[:]
    served = Served(load_model(found.model), Cutter(given.panel, given.params.window)).forecast(starts)
    actual = np.stack([given.panel.rows[start + 6 : start + 8, :1] for start in starts])
    error = float(np.mean(((served - actual) / given.scalers[0].spread[0, 0]) ** 2))
    assert error == pytest.approx(report.score, rel=1e-3)
    assert trained(given).reports[0].score == report.score


INSIDE = """
import random
import numpy as np
from sklearn import linear_model
from sklearn.ensemble import RandomForestRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline


def several(hp):
    return MultiOutputRegressor(RandomForestRegressor(2))


def pipe(hp):
    return make_pipeline(MultiOutputRegressor(RandomForestRegressor(2)))


def drawn(hp):
    return linear_model.Ridge(alpha=random.random() + np.random.random())


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        return super().fit(x, y + np.random.normal(size=y.shape))


def noisy(hp):
    return Ridge()
"""


@pytest.mark.parametrize("name", ["several", "pipe", "drawn", "noisy"])
def test_whatever_is_random_in_a_regressor_is_seeded(write: Callable[[str], str], name: str) -> None:
    given = task(as_regressor(built(write(INSIDE), name)))

    scores = [trained(each).reports[0].score for each in (given, given, replace(given, seed=4))]

    assert scores[0] == scores[1] != scores[2]


def test_a_regressors_space_is_found(write: Callable[[str], str]) -> None:
    found = discover(*opened(write(REGRESSOR)))

    assert (found.kind, found.compiled) == ("regressor", None)
    assert {each.name for each in found.asks} == {"kind", "alpha", "trees"}


def test_keras_is_left_as_it_was(write: Callable[[str], str]) -> None:
    before = dict(keras.saving.get_custom_objects())
    discover(*opened(write(PLAIN)))

    assert keras.saving.get_custom_objects() == before


# Filled targets

TRUE_ONLY = """
import keras
import keras_tuner as kt
import numpy as np
from sklearn import linear_model


def check(y):
    assert len(y) and np.abs(y).max() < 10, "a filled target"


class Ridge(linear_model.Ridge):
    __module__ = linear_model.Ridge.__module__  # by which it is saved

    def fit(self, x, y):
        check(y)
        return super().fit(x, y)


def regressor(hp):
    return Ridge(alpha=10)


class Unweighed(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    def fit(self, hp, model, x, y, validation_data):
        check(y)
        check(validation_data[1])
        model.fit(x, y)


class Weighed(Unweighed):
    def fit(self, hp, model, x, y, sample_weight):
        assert len(x) == 29
        check(y[sample_weight == 1])
        model.fit(x, y, sample_weight=sample_weight)
"""


def filled(chosen: Params, *rows: int) -> Task:
    """A trial on a series of which these steps were not there, and were filled with what is far off."""
    given = task(chosen)
    masks = np.zeros((60, 2), np.float32)
    values = given.panel.rows.copy()
    masks[rows, 0], values[rows, 0] = 1, 200
    columns = (*given.panel.columns, "c0?", "c1?")
    found = replace(given.panel, columns=columns, rows=np.hstack([values, masks]), masks=2, hidden=True)
    scaler = unscaled(found) if chosen.window.scale == "none" else standard(found, given.folds[0])
    return replace(given, panel=found, scalers=(scaler,))


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_regressor_is_fitted_to_no_filled_target(write: Callable[[str], str], scale: str) -> None:
    chosen = as_regressor(built(write(TRUE_ONLY.replace("< 10", "< 100")), "regressor", scale=scale))

    (report,) = trained(filled(chosen, 10, 20, 43)).reports

    assert report.score is not None
    assert report.metrics["loss"] is not None


@pytest.mark.parametrize("name", ["Unweighed", "Weighed"])
@pytest.mark.parametrize("scale", ["standard", "instance_standard"])
def test_a_fit_of_ones_own_weighs_filled_targets_or_sees_none(
    write: Callable[[str], str], name: str, scale: str
) -> None:
    chosen = built(write(TRUE_ONLY), name, scale=scale)

    (report,) = trained(filled(chosen, 10, 20, 43)).reports

    assert report.score is not None


def test_where_every_window_has_a_filled_target_it_is_refused(write: Callable[[str], str]) -> None:
    chosen = as_regressor(built(write(TRUE_ONLY), "regressor"))

    with pytest.raises(JobError, match=r"^data\.missing: every window has a filled target, and [^\n]*$"):
        trained(filled(chosen, *range(0, 60, 2)))
