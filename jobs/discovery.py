"""What a user's function asks of ``hp``: found out by building networks until nothing new shows up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import keras
import keras_tuner.engine.hyperparameters as kinds
import numpy as np

from jobs.built import Asked, Compiled, Found, Given
from jobs.dimensions import Boolean, Choice, Dimension, Float, Int, Scalar
from jobs.errors import JobError
from jobs.hypermodel import Hypermodel, hyperparameters
from jobs.material import Material
from jobs.params import Params
from jobs.regressor import check_scaling
from jobs.regressorfile import dumped
from jobs.space import Space, Values
from jobs.usermodel import check_served, compiled_with, is_regressor, output_shape

_QUIET = 5  # sampled configurations in a row that show nothing new
_MOST = 100  # networks that are built
_FEW = 32  # windows


class _FitReached(BaseException):
    """Ends a fit: no handler of its own may take it."""


@dataclass
class _Findings:
    asks: dict[tuple[str, tuple[tuple[str, str], ...]], Asked] = field(default_factory=dict)
    scopes: list[Values] = field(default_factory=list)  # that would open a scope which was closed
    compiled: list[Compiled | None] = field(default_factory=list)
    regressors: list[bool] = field(default_factory=list)

    def space(self) -> Space:
        """All that is known so far."""
        return Space(tuple(each.parameter() for each in self.asks.values()), depth=lambda _: 0)

    def take(self, hp: Any) -> None:
        """Add what was asked."""
        for each in hp.space:
            when = tuple((condition.name, repr(condition.values)) for condition in each.conditions)
            self.asks.setdefault((each.name, when), _asked(each))
        for scope in hp.inactive_scopes:
            opened = {condition.name: condition.values[0] for condition in scope}
            if opened not in self.scopes:
                self.scopes.append(opened)


def discover(hypermodel: Hypermodel, material: Material, params: Params) -> Found:
    """Build networks: by default values, at the ends of every range, with every choice, then sampled ones.

    Raises:
        JobError: the function raises for default values, or returns what cannot be trained or saved.
    """
    findings = _Findings()
    model = _build(hypermodel, material, {}, findings)
    if is_regressor(model):
        check_scaling(params)
        dumped(model)
    else:
        output_shape(model, material.shapes)
        check_served(params, material.feed, model)
    rng, tried, quiet, known = np.random.default_rng(0), [Values()], 0, 0
    while quiet < _QUIET and len(tried) < _MOST:
        quiet, known = (quiet if known == len(findings.asks) else 0), len(findings.asks)
        values = next((each for each in _telling(findings) if each not in tried), None)
        if values is None:
            values, quiet = findings.space().sample(rng), quiet + 1
        tried.append(values)
        with suppress(JobError):  # what only some values bring about is those trials' failure
            _build(hypermodel, material, values, findings)
    compiled = [each for each in findings.compiled if each is not None]
    if len(set(findings.regressors)) > 1 or (compiled and None in findings.compiled):
        raise JobError(
            "model.build: returns a Keras network for some hyperparameters and a regressor for others, or "
            "compiles some networks and others not; let it do one of them"
        )
    kind = "regressor" if findings.regressors[0] else "keras"
    return Found(
        kind=kind,  # type: ignore[arg-type]  # one of its two
        asks=tuple(findings.asks.values()),
        compiled=_common(compiled) if compiled else None,
    )


def _telling(findings: _Findings) -> Iterator[Values]:
    """Configurations that may bring out more: closed scopes opened, then every end and choice in turn."""
    parameters = findings.space().parameters
    yield from findings.scopes
    probes = {each.name: each.dimension.probes() for each in parameters}
    for turn in range(max((len(each) for each in probes.values()), default=0)):
        yield {name: options[min(turn, len(options) - 1)] for name, options in probes.items()}


def _build(hypermodel: Hypermodel, material: Material, values: Values, findings: _Findings) -> Any:
    """Build one network and note what it shows."""
    keras.backend.clear_session()
    hp = hyperparameters(values)
    try:
        model = hypermodel.build(hp, material)
        if hypermodel.fits_itself:
            _begin_fit(hypermodel, hp, model, material)
    finally:
        findings.take(hp)
    findings.regressors.append(is_regressor(model))
    findings.compiled.append(compiled_with(model))
    return model


def _begin_fit(hypermodel: Hypermodel, hp: Any, model: Any, material: Material) -> None:
    """Have a ``fit`` of the user's own ask what it asks, as far as to Keras's; on a few windows."""
    few = [each[:_FEW] for part in ("train", "validation") for each in material.windows(part)]

    def reached(*_: Any, **__: Any) -> None:
        raise _FitReached

    model.fit = reached
    stretch = {"epochs": 1, "initial_epoch": 0, "verbose": 0}
    with suppress(_FitReached):
        hypermodel.fit(hp, model, *few[:2], validation_data=tuple(few[2:]), callbacks=[], **stretch)


def _common(compiled: list[Compiled]) -> Compiled:
    """What all networks are compiled with alike."""
    columns = {name: {getattr(each, name) for each in compiled} for name in Compiled.model_fields}
    return Compiled(**{name: found.pop() if len(found) == 1 else None for name, found in columns.items()})


def _asked(hp: Any) -> Asked:
    when = tuple(
        Given(name=condition.name, values=tuple(map(_plain, condition.values))) for condition in hp.conditions
    )
    return Asked(name=hp.name, values=_dimension(hp), default=_plain(hp.default), when=when)


def _dimension(hp: Any) -> Dimension:
    """KerasTuner's range in our terms; one whose step misses its end ends at the last step."""
    match hp:
        case kinds.Boolean():
            return Boolean()
        case kinds.Fixed():
            return Choice(options=(_plain(hp.value),))
        case kinds.Choice():
            return _choice(hp.values)
    low, high, step = map(_plain, (hp.min_value, hp.max_value, hp.step))
    if hp.sampling == "reverse_log" and step is not None:
        return _choice(sorted(hp.values))
    # Dense near its end, which no searcher of ours knows: drawn evenly.
    sampling = "log" if hp.sampling == "log" else "linear"
    if step is not None and sampling == "log":
        high = low * step ** math.floor(math.log(high / low, step) + 1e-8)
    elif step is not None:
        high = low + step * math.floor((high - low) / step + 1e-9)
    if isinstance(hp, kinds.Int):
        step = None if step == 1 else step
        return Int(min=low, max=high, step=step, sampling=sampling)  # type: ignore[arg-type]
    step = None if step is None else float(step)
    return Float(min=float(low), max=float(high), step=step, sampling=sampling)  # type: ignore[arg-type]


def _choice(values: Any) -> Choice:
    distinct = {(type(value), value): value for value in map(_plain, values)}
    return Choice(options=tuple(distinct.values()))


def _plain(value: Any) -> Any:
    """A number of Python's, of NumPy's."""
    found: Scalar = value.item() if hasattr(value, "item") else value
    return found
