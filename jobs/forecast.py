"""Forecasts and scores from a served model: raw values in, raw values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jobs.ahead import as_written, times_ahead
from jobs.baselines import naive_error, seasonal_naive
from jobs.cut import Cutter
from jobs.errors import JobError
from jobs.feed import Order, drawn
from jobs.metrics import Loss, Metrics
from jobs.panel import Indices, Panel, Rows
from jobs.params import WindowParams
from jobs.parts import Parts
from jobs.scaling import Scaler, Scaling, scaler_of
from jobs.windows import named, test_origins

_BATCH = 1024
_CHUNK = 8 * _BATCH  # windows that are scored at a time
MOST_SCORED = 1 << 20  # windows


@dataclass(frozen=True)
class Served:
    """A saved model, and what it is given of a panel.

    Attributes:
        model: see ``forecaster.build_forecaster``.
        cutter: cuts its windows.
        scaler: of each series of the panel, where the model scales each by its own; else None.
    """

    model: Any
    cutter: Cutter
    scaler: Scaler | None = None

    def forecast(self, starts: Indices, ahead: Rows | None = None) -> Rows:
        """Forecast from the windows that begin at ``starts``: (windows, horizon, targets), raw values.

        ``ahead`` is what is known of the steps to forecast, (windows, horizon, known), where the panel ends
        before them.
        """
        found = []
        for begin in range(0, len(starts), _BATCH):
            some = slice(begin, begin + _BATCH)
            given = self._given(starts[some], None if ahead is None else ahead[some])
            given = given if len(given) > 1 else given["values"]
            found.append(np.asarray(self.model.predict_on_batch(given), np.float32))
        steps, targets = self.cutter.window.horizon, self.cutter.panel.targets
        return np.concatenate(found).reshape(-1, steps, targets)

    def _given(self, starts: Indices, ahead: Rows | None) -> dict[str, Any]:
        cut = self.cutter.inputs_of(starts)
        given = {"values": cut["x"]}
        if self.cutter.panel.known:
            given["future"] = self.cutter.ahead_of(starts)["ahead"] if ahead is None else ahead
        if "length" in cut:
            given["length"] = cut["length"]
        if self.scaler is not None:
            both = self.scaler.of(self.cutter.series(starts))
            given |= {name: each[:, 0] for name, each in zip(("centre", "spread"), both, strict=True)}
        return given


@dataclass(frozen=True)
class Ground:
    """What forecasts are scored on.

    Attributes:
        panel: the series.
        parts: how they are divided.
        season: steps in a season, of the seasonal naive baseline.
        unit: (targets,) of the errors.
        loss: that is kept for each window, if one is.
    """

    panel: Panel
    parts: Parts
    season: int
    unit: npt.NDArray[np.float64]
    loss: Loss | None = None

    @classmethod
    def of(cls, panel: Panel, parts: Parts, how: Scaling, season: int, loss: Loss | None = None) -> Ground:
        """In the units of a model's scaling, which are those of all that one job's trials may have."""
        unit = np.ones(panel.targets)
        if how.kind != "none":
            unit = scaler_of(panel, parts, Scaling()).spread[0, : panel.targets]
        return cls(panel, parts, season, unit, loss)


def score_test(
    model: Any,
    panel: Panel,
    parts: Parts,
    window: WindowParams,
    season: int,
    alive: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]] | None:
    """Metrics on the test part, of the model and of the seasonal naive baseline; None without a test part.

    Where it has more than ``MOST_SCORED`` windows, on as many of them, drawn evenly.  ``alive`` is called now
    and then, as long as it goes on.
    """
    origins = scored_origins(parts, window)
    if not len(origins):
        return None
    how = Scaling.of(window)
    served = Served(model, Cutter(panel, window), scaler_of(panel, parts, how) if how.by_series else None)
    ground = Ground.of(panel, parts, how, season)
    found = score_at(origins, {"model": served}, ground, alive)
    return {name: metrics.means() for name, metrics in found.items()}


def scored_origins(parts: Parts, *windows: WindowParams) -> Order:
    """First rows that are forecast in the test windows to score, see ``test_origins``; never very many."""
    return drawn(test_origins(parts, *windows), MOST_SCORED)


def score_at(
    origins: Order, models: Mapping[str, Served], ground: Ground, alive: Callable[[], None] = lambda: None
) -> dict[str, Metrics]:
    """Errors of some models and of ``seasonal_naive``, all of the forecasts that begin at these rows.

    Args:
        origins: (windows,).
        models: by name, each with the ground's panel; their lookbacks may differ, the horizon is one.
        ground: what they are scored on.
        alive: is called now and then, as long as it goes on.
    """
    cutter, panel = next(iter(models.values())).cutter, ground.panel
    horizon, lookback = cutter.window.horizon, cutter.window.lookback
    naive_errors = naive_error(panel, ground.parts, ground.season)
    scores = {name: Metrics(ground.unit, ground.loss) for name in (*models, "seasonal_naive")}
    for begin in range(0, len(origins), _CHUNK):
        chunk = origins[begin : begin + _CHUNK]
        ahead = cutter.ahead_of(chunk - lookback)
        scale, there = naive_errors[cutter.series(chunk - lookback)], ahead.get("there")
        for name, model in models.items():
            forecasts = model.forecast(chunk - model.cutter.window.lookback)
            scores[name].add(ahead["y"], forecasts, scale, there)
        naive = seasonal_naive(panel, chunk, horizon=horizon, season=ground.season)
        scores["seasonal_naive"].add(ahead["y"], naive, scale, there)
        if panel.pages is not None:
            panel.pages.ease()
        alive()
    return scores


def check_history(panel: Panel, window: WindowParams, short: str) -> None:
    """See that there is something to forecast from: in every series, or in one if others may be left out.

    Raises:
        JobError: a series is shorter than the model's lookback.
    """
    lengths, needed = panel.lengths(), _needed(window)
    found = np.flatnonzero(lengths < needed)
    if len(found) and (short == "error" or len(found) == len(lengths)):
        raise JobError(
            f"{named(panel, found)} has {lengths[found[0]]} steps, fewer than the {needed} "
            "that the model looks back; give it more history"
        )


def _needed(window: WindowParams) -> int:
    """Steps of a series that there must be to forecast from."""
    return 1 if window.padded else window.lookback


def origins(panel: Panel, window: WindowParams) -> Indices:
    """The numbers of the series that there is enough of to forecast what follows their end."""
    return np.flatnonzero(panel.lengths() >= _needed(window))


def forecast_panel(
    served: Served, ahead: Rows | None = None, *, time: str, series: str | None
) -> pd.DataFrame:
    """Forecast what follows the end of every series that there is enough of, see ``origins``.

    Args:
        served: the model, and the panel of the series.
        ahead: what is known of the steps to forecast, (series, horizon, known), of these series alone.
        time: a name for the column of times.
        series: a name for the column of ids; None where there is none.

    Returns:
        A frame with ``horizon`` rows a series: the series' id where there is one, the time, the targets.
    """
    panel, window = served.cutter.panel, served.cutter.window
    enough = origins(panel, window)
    ends = panel.offsets[1:][enough]
    forecasts = served.forecast(ends - window.lookback, ahead)
    frame = pd.DataFrame(forecasts.reshape(-1, panel.targets), columns=list(panel.columns[: panel.targets]))
    times = times_ahead(panel, panel.times[ends - 1], window.horizon)
    frame.insert(0, time, as_written(times.ravel(), panel.time_type))
    if series is not None:
        ids = np.asarray(panel.series, dtype=object)[enough]
        frame.insert(0, series, np.repeat(ids, window.horizon))
    return frame
