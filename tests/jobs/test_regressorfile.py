"""Regressors in skops's format: the usual ones come back, and nothing that runs code is loaded."""

from __future__ import annotations

import io
import json
import queue
import zipfile
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn import ensemble, linear_model, neighbors
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

from jobs.checkpoint import load_model
from jobs.errors import JobError
from jobs.regressorfile import dumped, loaded

USUAL = [
    linear_model.Ridge(),
    linear_model.Lasso(0.01),
    linear_model.SGDRegressor(loss="huber"),
    linear_model.TweedieRegressor(),
    ensemble.RandomForestRegressor(3),
    ensemble.RandomForestRegressor(3, random_state=np.random.RandomState(1)),
    ensemble.ExtraTreesRegressor(3),
    ensemble.BaggingRegressor(linear_model.Ridge(), 3),
    ensemble.AdaBoostRegressor(n_estimators=3),
    ensemble.GradientBoostingRegressor(n_estimators=3, loss="huber"),
    ensemble.GradientBoostingRegressor(n_estimators=3, init=linear_model.Ridge()),
    ensemble.HistGradientBoostingRegressor(max_iter=3),
    ensemble.HistGradientBoostingRegressor(max_iter=3, loss="quantile", quantile=0.5, early_stopping=True),
    ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())]),
    ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", ensemble.RandomForestRegressor(2))]),
    neighbors.KNeighborsRegressor(algorithm="kd_tree"),
    neighbors.KNeighborsRegressor(algorithm="ball_tree", metric="minkowski", p=3),
    neighbors.KNeighborsRegressor(algorithm="brute"),
    SVR(),
    MLPRegressor(hidden_layer_sizes=4, max_iter=300, tol=1.0),
    MLPRegressor(hidden_layer_sizes=4, solver="sgd", max_iter=300, tol=1.0),
    MultiOutputRegressor(ensemble.RandomForestRegressor(2)),
    RegressorChain(ensemble.HistGradientBoostingRegressor(max_iter=2)),
    make_pipeline(StandardScaler(), PCA(2), SVR()),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=StandardScaler()),
    GaussianProcessRegressor(kernels.RBF() + kernels.WhiteKernel(), optimizer=None),
    GaussianProcessRegressor(kernels.ConstantKernel() * kernels.Matern(), optimizer=None),
    GaussianProcessRegressor(kernels.RationalQuadratic() ** 2 + kernels.DotProduct(), optimizer=None),
    GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}),
]


def fitted(model: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 6)), rng.random((40, 2))
    several = isinstance(model, MultiOutputRegressor | RegressorChain)
    return model.fit(x, y if several else y[:, 0]), x


@pytest.mark.parametrize("model", USUAL, ids=lambda model: repr(model).partition(" at 0x")[0])
def test_the_usual_regressors_come_back_as_they_were(model: Any) -> None:
    model, x = fitted(model)

    np.testing.assert_allclose(loaded(dumped(model)).predict(x), model.predict(x))


def payload(folder: Any) -> Any:
    """Steps of NumPy's functions that make a string of numbers and run it."""
    code = f"open({str(folder / 'run')!r}, 'w')".encode()
    text = np.frombuffer(code, np.uint8).astype(float)[None]
    steps = [
        ("a", FunctionTransformer(np.zeros_like, kw_args={"shape": (1, 1)})),
        ("b", FunctionTransformer(np.clip, kw_args={"a_min": text, "a_max": text})),
        ("c", FunctionTransformer(np.asarray, kw_args={"dtype": "uint8", "order": "C"})),
        ("d", FunctionTransformer(np.testing.measure, kw_args={"times": 1})),
    ]
    return Pipeline([*steps, ("z", DummyRegressor().fit([[1]], [1]))])


def test_a_file_of_functions_that_run_code_is_refused(tmp_path: Any) -> None:
    data = skops.io.dumps(payload(tmp_path))

    with pytest.raises(JobError, match=r"without functions, can be saved, not .*utils\.measure") as error:
        load_model(data)

    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (make_pipeline(FunctionTransformer(), linear_model.Ridge()), "FunctionTransformer"),
        (TransformedTargetRegressor(linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1), "log1p"),
        (neighbors.KNeighborsRegressor(metric=np.max), "numpy.max"),
        (linear_model.Ridge(alpha=queue.SimpleQueue), "SimpleQueue"),
    ],
)
def test_what_may_not_be_loaded_cannot_be_saved(model: Any, named: str) -> None:
    with pytest.raises(JobError, match=f"^model.build: a regressor of .* can be saved, not .*{named}"):
        dumped(model)


def test_a_part_that_is_not_known_is_refused() -> None:
    """As one that a later skops brings, or an older one knew."""
    data, changed = dumped(linear_model.Ridge()), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(changed, "w") as other:
        schema = json.loads(archive.read("schema.json"))
        schema["content"]["content"]["alpha"] = {"__loader__": "CachedNode", "__id__": 1}
        other.writestr("schema.json", json.dumps(schema))

    with pytest.raises(JobError, match=r"can be saved, not None\.None"):
        loaded(changed.getvalue())


def test_what_skops_cannot_write_is_refused_in_a_sentence() -> None:
    with pytest.raises(JobError, match=r"^model\.build: Ridge cannot be saved: [^\n]*$"):
        dumped(linear_model.Ridge(alpha=(each for each in ())))


def test_what_is_no_regressor_is_refused_in_a_sentence() -> None:
    with pytest.raises(JobError, match=r"^model\.skops cannot be loaded: [^\n]+$"):
        loaded(b"nothing of the kind")
