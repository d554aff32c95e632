"""What a network sees of windows, and how each may be normalised by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from keras import ops

EPSILON = 1e-5  # of a window's variance, in scaled units (RevIN's)
Normalise = Literal["none", "last", "moments"]
NORMALISE: dict[str, Normalise] = {"instance": "last", "instance_standard": "moments"}  # by ``window.scale``


@dataclass(frozen=True)
class Window:
    """Windows as a network takes them, scaled.

    Attributes:
        x: (batch, lookback, inputs); behind a window's ``length`` its last step is repeated.
        ahead: what is known of the steps to forecast, (batch, horizon, known), or, where every step of the
            lookback forecasts, of those from the second on, (batch, lookback + horizon - 1, known).
        length: steps that there are, (batch,); None: as many as the lookback has.
    """

    x: Any
    ahead: Any = None
    length: Any = None

    def inside(self) -> Any:
        """1 for the steps that there are, else 0: (batch, lookback, 1) float32."""
        inside = ops.less(ops.arange(self.x.shape[1]), ops.expand_dims(self.length, 1))
        return ops.cast(ops.expand_dims(inside, -1), "float32")


@dataclass(frozen=True)
class Level:
    """Where a window lies: its values are ``centre + spread · normalised``; (batch, 1, own) each."""

    centre: Any
    spread: Any | None

    def back(self, forecast: Any) -> Any:
        """Bring a normalised forecast (batch, horizon, targets) to where its window lies."""
        targets = forecast.shape[-1]
        if self.spread is not None:
            forecast = forecast * self.spread[:, :, :targets]
        return plus(forecast, self.centre[:, :, :targets])


def plus(steps: Any, each: Any) -> Any:
    """Steps (batch, steps, columns) and something for each window (batch, 1, columns) added up.

    Keras's own addition, on TensorFlow, takes (batch, 1, 1) for a bias of the steps where there happen to be
    as many of them as windows; its subtraction does not.
    """
    return steps - (-each)


def normalised(window: Window, kind: Normalise, own: int) -> tuple[Any, Level | None]:
    """A window's steps, their first ``own`` columns put on its own level, and that level.

    ``last`` subtracts the last step, as in NLinear (Zeng et al. 2023, arXiv:2205.13504); ``moments``
    subtracts the mean and divides by the deviation, as RevIN does without its affine part (Kim et al. 2022).
    """
    x = window.x
    if kind == "none":
        return x, None
    columns, others = (x, None) if own == x.shape[2] else (x[:, :, :own], x[:, :, own:])
    if kind == "last":
        level = Level(columns[:, -1:, :], None)  # what is behind a short window's end repeats its last step
        columns = columns - level.centre
    else:
        level = _moments(columns, window)
        columns = (columns - level.centre) / level.spread
    return columns if others is None else ops.concatenate([columns, others], axis=-1), level


def _moments(columns: Any, window: Window) -> Level:
    if window.length is None:
        centre = ops.mean(columns, axis=1, keepdims=True)
        variance = ops.mean(ops.square(columns - centre), axis=1, keepdims=True)
    else:
        inside = window.inside()
        count = ops.maximum(ops.sum(inside, axis=1, keepdims=True), 1.0)
        centre = ops.sum(columns * inside, axis=1, keepdims=True) / count
        variance = ops.sum(ops.square(columns - centre) * inside, axis=1, keepdims=True) / count
    return Level(centre, ops.sqrt(variance + EPSILON))
