"""What is found out about a user's function before any trial, and why one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from jobs.defaults import default_values
from jobs.discovery import discover
from jobs.errors import JobError
from jobs.hypermodel import load_hypermodel
from jobs.jobfile import dump_job, parse_job
from jobs.space import Space
from tests.jobs.hypermodels import HEAD, OWN_FIT, PLAIN, REGRESSOR, material_of, opened
from tests.jobs.listener import task
from tests.jobs.small import job, params

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
    write_module: Callable[[str], str], text: str, name: str, said: str
) -> None:
    sentence = refused(write_module(text), name)

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
def test_a_module_is_named_by_dots_or_by_its_path(tmp_path: Path, path: str, name: str) -> None:
    material = material_of(task(params()))
    (tmp_path / "job").mkdir()
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("def build(hp): return 'mine'\n")
    where = f"{name.format(folder=tmp_path)}:build"

    assert load_hypermodel(where, str(tmp_path / "job"), material).build(None, material) == "mine"


def test_a_script_runs_as_far_as_to_its_own_search(
    write_module: Callable[[str], str], tmp_path: Path
) -> None:
    script = (
        PLAIN
        + f"""
kt.RandomSearch(build, "val_loss", max_trials=3, directory={str(tmp_path / "kt")!r}).search(1, 2)
raise SystemExit("the search was run")
"""
    )
    found = discover(*opened(write_module(script)))

    assert [each.name for each in found.asks] == ["units", "rate"]
    assert not (tmp_path / "kt").exists()


def test_windows_are_where_scripts_look_for_them(write_module: Callable[[str], str]) -> None:
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
    found = discover(*opened(write_module(script)))

    assert found.asks[0].values.probes() == ["((29, 6, 2), (29, 2), (11, 6, 2), (11, 2))"]
    assert found.compiled is None


def test_shapes_are_told_to_who_asks(write_module: Callable[[str], str]) -> None:
    script = (
        HEAD
        + """
def build(hp, shapes):
    hp.Choice("seen", [str((shapes.input, shapes.output, shapes.columns, shapes.targets))])
    return keras.Sequential([keras.Input(shapes.input), keras.layers.Flatten(), keras.layers.Dense(2)])
"""
    )
    found = discover(*opened(write_module(script)))

    assert found.asks[0].values.probes() == ["((6, 2), (2,), ('c0', 'c1'), ('c0',))"]


def test_scopes_and_what_only_some_values_ask_are_found(write_module: Callable[[str], str]) -> None:
    found = discover(*opened(write_module(SCOPES)))

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


def test_what_a_fit_asks_is_found(write_module: Callable[[str], str]) -> None:
    found = discover(*opened(write_module(OWN_FIT), "Mine"))

    assert [each.name for each in found.asks] == ["units", "batch"]


def test_a_regressors_space_is_found(write_module: Callable[[str], str]) -> None:
    found = discover(*opened(write_module(REGRESSOR)))

    assert (found.kind, found.compiled) == ("regressor", None)
    assert {each.name for each in found.asks} == {"kind", "alpha", "trees"}


def test_keras_is_left_as_it_was(write_module: Callable[[str], str]) -> None:
    before = dict(keras.saving.get_custom_objects())
    discover(*opened(write_module(PLAIN)))

    assert keras.saving.get_custom_objects() == before


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


def test_the_functions_own_defaults_are_the_first_configuration(write_module: Callable[[str], str]) -> None:
    found = discover(*opened(write_module(DEFAULTS)))
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
