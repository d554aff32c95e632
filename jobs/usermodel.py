"""A network that a user's function has built: whether it fits, how it is compiled, how it is served."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from jobs.built import Compiled
from jobs.checkpoint import load_model, model_bytes
from jobs.engine.losses import loss_function
from jobs.errors import JobError
from jobs.feed import Feed
from jobs.forecaster import build_forecaster
from jobs.material import Shapes
from jobs.params import Params, TrainParams

_LOSSES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber_loss": "huber",
}


def is_regressor(model: Any) -> bool:
    """Whether it is scikit-learn's kind of model and not Keras's."""
    return not isinstance(model, keras.Model) and hasattr(model, "fit") and hasattr(model, "predict")


def output_shape(model: Any, shapes: Shapes) -> tuple[int, ...]:
    """Build the network for the job's windows; the shape of one forecast of it.

    Raises:
        JobError: it is no network, or not one for these windows.
    """
    if not isinstance(model, keras.Model):
        raise JobError(f"model.build: returned {model!r}, no Keras model or scikit-learn regressor")
    try:
        given, gives = getattr(model, "inputs", None), getattr(model, "outputs", None)
        if given is None or gives is None:
            given = [keras.Input(shapes.input)]
            gives = [model(given[0])]
    except (ValueError, TypeError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise JobError(f"model.build: the network does not take {_windows(shapes)}: {lines[0]}") from None
    shapes_in, shapes_out = ([tuple(each.shape[1:]) for each in some] for some in (given, gives))
    fits = len(shapes_in) == 1 and len(shapes_in[0]) == 2
    if not fits or any(own not in {None, due} for own, due in zip(shapes_in[0], shapes.input, strict=True)):
        raise JobError(f"model.build: the network takes {shapes_in} and not {_windows(shapes)}")
    accepted = {shapes.output, (shapes.horizon, len(shapes.targets))}
    if len(shapes_out) != 1 or shapes_out[0] not in accepted:
        gives, due = " and ".join(map(_batches, shapes_out)), map(_batches, sorted(accepted, key=len))
        raise JobError(
            f"model.build: the network's output is {gives}, and forecasts of "
            f"window.horizon {shapes.horizon} for {len(shapes.targets)} target(s) are {' or '.join(due)}"
        )
    return shapes_out[0]


def _batches(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('batch', *shape)))})"


def _windows(shapes: Shapes) -> str:
    columns = f"{len(shapes.columns)} columns: {', '.join(shapes.columns)}"
    return f"the job's windows (lookback {shapes.lookback}, {columns})"


def compiled_with(model: Any) -> Compiled | None:
    """What a network is compiled with; None if it is not, or is none."""
    if not getattr(model, "compiled", False):
        return None
    loss, rate = getattr(model, "loss", None), getattr(model.optimizer, "_learning_rate", None)
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", None))
    return Compiled(
        optimizer=type(model.optimizer).__name__.lower(),
        learning_rate=round(float(rate), 9) if isinstance(rate, keras.Variable) else None,
        loss=_LOSSES.get(str(name), str(name)),
    )


def compile_by(model: Any, chosen: TrainParams) -> None:
    """Compile a network as the job says."""
    settings = {"learning_rate": chosen.learning_rate, "global_clipnorm": chosen.clip_norm}
    measure = loss_function(chosen.loss, chosen.quantile)
    optimizer = keras.optimizers.get({"class_name": chosen.optimizer, "config": settings})
    model.compile(optimizer, loss=lambda y, forecast: ops.mean(measure(forecast - y), axis=-1))


def served(params: Params, feed: Feed, model: Any) -> bytes:
    """The network with its scaling inside, in Keras's format: raw values in, raw values out."""
    panel = feed.cutter.panel
    steps = keras.layers.Reshape((params.window.horizon, panel.targets), name="steps")
    forecaster = build_forecaster(params, feed.scaler, panel, lambda x: steps(model(x)))
    compiled, optimizer = model.compiled, getattr(model, "optimizer", None)
    model.compiled, model.optimizer = False, None  # or they would be saved with the network
    try:
        return model_bytes(forecaster)
    finally:
        model.compiled, model.optimizer = compiled, optimizer


def check_served(params: Params, feed: Feed, model: Any) -> None:
    """See that Keras alone, without the user's code, loads and runs what will be saved.

    Raises:
        JobError: it does not.
    """
    own = dict(keras.saving.get_custom_objects())
    try:
        data = served(params, feed, model)
        keras.saving.get_custom_objects().clear()
        load_model(data)
    except (JobError, NotImplementedError, ValueError, TypeError) as error:
        raise JobError(
            "model.build: the network cannot be saved so that Keras alone loads it; make it of Keras's own "
            f"layers and of keras.ops, without Lambda and classes of your own ({str(error)[:200]})"
        ) from None
    finally:
        keras.saving.get_custom_objects().update(own)
