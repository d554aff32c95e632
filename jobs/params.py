"""One configuration: the job with a value in the place of every dimension, in plain typed dataclasses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from jobs.built import COMPILED, Built
from jobs.dimensions import Boolean, Choice, Float, Int, Scalar
from jobs.errors import JobError
from jobs.modelspec import Model
from jobs.schedules import PLATEAU_PATIENCE
from jobs.space import Parameter, Space, Values
from jobs.spec import Job
from jobs.stack import LAYER_FIELDS, depth, of_field, of_layer


@dataclass(frozen=True)
class WindowParams:
    """Steps in, steps out, steps between training windows, and how values are scaled.

    Attributes:
        padded: windows may have fewer steps than the lookback.
        others: see ``spec.Window``.
    """

    lookback: int
    horizon: int
    stride: int
    evaluation_stride: int
    scale: str
    scale_by: str = "all"
    transform: str = "none"
    output: str = "last"
    channel_independent: bool = False
    padded: bool = False


@dataclass(frozen=True)
class LayerParams:
    """One recurrent layer."""

    cell: str
    units: int
    activation: str
    dropout: float


@dataclass(frozen=True)
class NetworkParams:
    """A stack of recurrent layers and the activation of the dense head."""

    layers: tuple[LayerParams, ...]
    reset_after: bool
    output_activation: str


@dataclass(frozen=True)
class BuildParams:
    """A network that a user's function builds, see ``built``.

    Attributes:
        build, folder: where the function is.
        values: of the hyperparameters that it asks for, by their names.
        kind: what it returns.
        compiled: it compiles its networks itself.
    """

    build: str
    folder: str | None
    values: Values
    kind: str = "keras"
    compiled: bool = True


@dataclass(frozen=True)
class TrainParams:
    """How one configuration is trained.

    Attributes:
        max_epochs, patience, plateau_patience: in epochs; ``patience`` None means no early stopping.
        epoch_windows: of an epoch; None: all that there are, so that an epoch is a pass.
        validation_windows: that an epoch is validated on; None: all that there are.
        executions: networks that are trained, each with a seed of its own.
        warm_weights: a network begins with those of an earlier sweep's best, if they fit.
    """

    optimizer: str
    learning_rate: float
    loss: str
    batch_size: int
    max_epochs: int
    patience: int | None
    min_delta: float
    objective: str
    quantile: float = 0.5
    schedule: str = "constant"
    clip_norm: float | None = None
    precision: str = "float32"
    plateau_patience: int = PLATEAU_PATIENCE
    epoch_windows: int | None = None
    validation_windows: int | None = None
    executions: int = 1
    warm_weights: bool = False


@dataclass(frozen=True)
class Params:
    """All that decides what a trial trains; where a user's function builds it, ``network`` has no layers."""

    window: WindowParams
    network: NetworkParams
    train: TrainParams
    build: BuildParams | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values that ``from_json`` turns back into the same parameters."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Params:
        """The inverse of ``to_json``."""
        network = raw["network"]
        layers = tuple(LayerParams(**layer) for layer in network["layers"])
        return cls(
            WindowParams(**raw["window"]),
            NetworkParams(**(network | {"layers": layers})),
            TrainParams(**raw["train"]),
            BuildParams(**raw["build"]) if raw.get("build") else None,
        )


def space_of(job: Job) -> Space:
    """The searched hyperparameters of a job, named as in its file: ``model.units``, ``model.units.1``.

    What a user's function asks for has the names that it uses.
    """
    parameters, stack = tuple(_parameters(job)), _stack(job)
    return Space(parameters, depth=lambda values: depth(stack, values))


def _stack(job: Job) -> Model:
    """The job's layers; any, where a user's function decides."""
    return job.model if isinstance(job.model, Model) else Model()


def _parameters(job: Job) -> Iterator[Parameter]:
    for section in ("window", "model", "train"):
        for name, value in getattr(job, section):
            if isinstance(value, tuple):
                for index, layer in enumerate(value):
                    yield from of_layer(f"{section}.{name}.{index}", layer)
            elif isinstance(value, Int | Float | Choice | Boolean):
                yield from of_field(f"{section}.{name}", value, _stack(job))
    if isinstance(job.model, Built) and job.model.found is not None:
        yield from (asked.parameter() for asked in job.model.found.asks)


def hyperparameters(job: Job, values: Values) -> Values:
    """Every hyperparameter of one configuration, searched or fixed, named as in the job file."""
    params = resolve(job, values)
    window, train = asdict(params.window), asdict(params.train)
    found: Values = values | {f"window.{name}": window[name] for name, _ in job.window}
    if isinstance(job.model, Model):
        found |= _network_hyperparameters(job.model, values, params)
    own = {"warm_weights", *(COMPILED if params.build and params.build.compiled else ())}
    found |= {f"train.{name}": train[name] for name, _ in job.train if name in train and name not in own}
    if params.train.patience is not None:
        found["train.early_stopping.patience"] = params.train.patience
    return found


def _network_hyperparameters(model: Model, values: Values, params: Params) -> Values:
    found: Values = {}
    if isinstance(model.layers, tuple):
        for index, layer in enumerate(params.network.layers):
            found |= {f"model.layers.{index}.{name}": value for name, value in asdict(layer).items()}
    else:
        found |= _stack_hyperparameters(values, params)
    found["model.reset_after"] = params.network.reset_after
    found["model.output_activation"] = params.network.output_activation
    return found


def _stack_hyperparameters(values: Values, params: Params) -> Values:
    found: Values = {"model.layers": len(params.network.layers)}
    for name in LAYER_FIELDS:
        by_layer = [getattr(layer, name) for layer in params.network.layers]
        if f"model.{name}.0" in values:
            found |= {f"model.{name}.{index}": value for index, value in enumerate(by_layer)}
        else:
            found[f"model.{name}"] = by_layer[0]
    return found


def resolve(job: Job, values: Values) -> Params:
    """Put ``values`` in the place of the job's dimensions.

    Raises:
        JobError: a searched hyperparameter has no value.
    """
    get, stack = _Values(values), _stack(job)
    build = _build(job.model, values) if isinstance(job.model, Built) else None
    stopping = job.train.early_stopping
    return Params(
        WindowParams(
            **{name: get(f"window.{name}", value) for name, value in job.window},
            padded=job.data.short == "pad",
        ),
        NetworkParams(
            layers=() if isinstance(job.model, Built) else _layers(stack, get, depth(stack, values)),
            reset_after=get("model.reset_after", stack.reset_after),
            output_activation=get("model.output_activation", stack.output_activation),
        ),
        TrainParams(
            **{name: get(f"train.{name}", value) for name, value in job.train if name != "early_stopping"}
            | ({"loss": "loss"} if build and build.compiled else {})
            | {"warm_weights": job.train.warm_weights and bool(job.search.start_from)},
            patience=stopping.patience if stopping else None,
            min_delta=stopping.min_delta if stopping else 0.0,
            objective=job.search.objective,
            executions=job.search.executions_per_trial,
        ),
        build,
    )


def _build(model: Built, values: Values) -> BuildParams:
    if model.found is None:  # which is about to be found out
        return BuildParams(model.build, model.folder, {})
    asked = {each.name for each in model.found.asks}
    own = {name: value for name, value in values.items() if name in asked}
    return BuildParams(
        model.build, model.folder, own, model.found.kind, compiled=model.found.compiled is not None
    )


class _Values:
    """Looks a field up: its fixed value, else the value chosen for it."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def __call__(self, name: str, field: Any, index: int | None = None) -> Any:
        if not isinstance(field, Int | Float | Choice | Boolean):
            return field
        for known in (f"{name}.{index}", name):
            if known in self._values:
                return self._values[known]
        raise JobError(f"no value for the searched hyperparameter {name}")


def _layers(model: Model, get: _Values, count: int) -> tuple[LayerParams, ...]:
    return tuple(_layer(model, get, index) for index in range(count))


def _layer(model: Model, get: _Values, index: int) -> LayerParams:
    chosen: dict[str, Scalar] = {}
    for name in LAYER_FIELDS:
        own = getattr(model.layers[index], name) if isinstance(model.layers, tuple) else None
        if own is not None:
            chosen[name] = get(f"model.layers.{index}.{name}", own)
        else:
            chosen[name] = get(f"model.{name}", getattr(model, name), index)
    return LayerParams(**chosen)  # type: ignore[arg-type]  # the fields' own types were validated
