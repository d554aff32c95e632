"""What trains a user's network: its own compile, its own ``fit``, or scikit-learn."""

from __future__ import annotations

from jobs.compiled import CompiledLearner
from jobs.hypermodel import load_hypermodel
from jobs.material import Material
from jobs.params import Params
from jobs.regressor import RegressorLearner
from jobs.trainstate import Arrays


def make_learner(
    params: Params, material: Material, seed: int, warm: Arrays | None = None
) -> CompiledLearner | RegressorLearner:
    """A fresh network of the user's, with ``warm`` weights where they fit.

    Raises:
        JobError: the user's code raises, or builds what does not fit.
    """
    assert params.build is not None, "a user's function builds it"  # noqa: S101
    hypermodel = load_hypermodel(params.build.build, params.build.folder, material)
    if params.build.kind == "regressor":
        return RegressorLearner(params, hypermodel, material, seed)
    return CompiledLearner(params, hypermodel, material, seed, warm)


def describe(params: Params, material: Material) -> tuple[str, int | None]:
    """A fresh network in Keras's or scikit-learn's words, and its number of parameters, if it is known.

    Raises:
        JobError: as ``make_learner``.
    """
    return make_learner(params, material, 0).describe()
