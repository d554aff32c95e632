"""Regressors as bytes in skops's format: of the types that are named here or that skops trusts, and no other.

What skops trusts by itself are scikit-learn's estimators, and functions of NumPy's and SciPy's, which no
regressor needs: a crafted file could have functions called, one after the other, until they run code.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from zipfile import BadZipFile, ZipFile

from jobs.errors import JobError

_PARTS = {  # how a file may be put together; functions are not among them
    *("ObjectNode", "DictNode", "ListNode", "TupleNode", "SetNode", "JsonNode", "SliceNode", "TypeNode"),
    *("NdArrayNode", "MaskedArrayNode", "SparseMatrixNode", "DTypeNode", "RandomStateNode"),
    *("RandomGeneratorNode", "TreeNode", "LossNode", "BytesNode"),
}
_CALLS = {"sklearn.preprocessing._function_transformer.FunctionTransformer"}  # functions that it holds
_MODULES = {  # types, beside estimators, that fitted regressors are made of
    "sklearn.tree._tree": ["Tree"],
    "sklearn.ensemble._hist_gradient_boosting.predictor": ["TreePredictor"],
    "sklearn._loss.loss": ["HalfTweedieLoss", "HalfTweedieLossIdentity"],
    "sklearn.neural_network._stochastic_optimizers": ["AdamOptimizer", "SGDOptimizer"],
    "sklearn.neighbors._kd_tree": ["KDTree", "KDTree32", "KDTree64"],
    "sklearn.neighbors._ball_tree": ["BallTree", "BallTree32", "BallTree64"],
    "sklearn.metrics._dist_metrics": [
        f"{each}Distance{bits}"
        for each in ("Euclidean", "SEuclidean", "Manhattan", "Chebyshev", "Minkowski", "Mahalanobis")
        for bits in (32, 64)
    ],
    "sklearn.gaussian_process.kernels": [
        *("ConstantKernel", "WhiteKernel", "RBF", "Matern", "RationalQuadratic", "ExpSineSquared"),
        *("DotProduct", "PairwiseKernel", "Sum", "Product", "Exponentiation", "CompoundKernel"),
    ],
    "sklearn.utils._bunch": ["Bunch"],
    "sklearn.metrics._scorer": ["_PassthroughScorer"],
    "sklearn.model_selection._split": ["KFold", "TimeSeriesSplit"],
}
_TYPES = {f"{module}.{name}" for module, names in _MODULES.items() for name in names}


def dumped(model: Any) -> bytes:
    """A regressor's bytes, which ``loaded`` will take.

    Raises:
        JobError: it will not.
    """
    try:
        data = bytes(_skops().dumps(model))
    except (ValueError, TypeError, AttributeError) as error:
        raise JobError(f"model.build: {type(model).__name__} cannot be saved: {_said(error)}") from None
    _check(data)
    return data


def loaded(data: bytes) -> Any:
    """The regressor.

    Raises:
        JobError: it is none, or holds more than it may.
    """
    try:
        return _skops().loads(data, trusted=_check(data))
    except (ValueError, TypeError, LookupError, AttributeError, ImportError, OSError, BadZipFile) as error:
        raise JobError(f"model.skops cannot be loaded: {_said(error)}") from None


def _check(data: bytes) -> list[str]:
    """The types, beside those that skops trusts by itself, that it is made of.

    Raises:
        JobError: one of them, or a function, may not be in it.
    """
    with ZipFile(io.BytesIO(data)) as archive:
        nodes = _nodes(json.loads(archive.read("schema.json")))
        foreign = {_name(each) for each in nodes if each["__loader__"] not in _PARTS or _name(each) in _CALLS}
    types = [] if foreign else list(_skops().get_untrusted_types(data=data))
    foreign |= set(types) - _TYPES
    if foreign:
        raise JobError(
            "model.build: a regressor of scikit-learn's own types, without functions, can be saved, not "
            f"{', '.join(sorted(foreign))}"
        )
    return types


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """All descriptions of objects, however deep."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict) and isinstance(part.get("__loader__"), str):
        yield part
    for each in inner:
        yield from _nodes(each)


def _name(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        raise JobError(
            "model.build: returns a scikit-learn regressor, which is saved by skops; run: "
            "pip install 'recur-tune[sklearn]'"
        ) from None
    return skops.io
