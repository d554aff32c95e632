"""Forecasts after the end of every series, and the score on the test part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from jobs import forecast as forecast_module
from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.forecast import (
    Ground,
    Served,
    check_history,
    forecast_panel,
    score_at,
    score_test,
    scored_origins,
)
from jobs.metrics import Loss
from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.parts import split_panel
from jobs.scaling import Scaling
from tests.jobs.small import panel, standard

LOOKBACK, HORIZON = 4, 3
WINDOW = WindowParams(LOOKBACK, HORIZON, 1, 1, "none")


def last_values(columns: int = 2, targets: int = 1, horizon: int = HORIZON) -> keras.Model:
    """A model whose forecast is the end of its own history."""
    values = keras.Input((LOOKBACK, columns))
    return keras.Model(values, values[:, -horizon:, :targets])


def forecast(found: Panel, *, series: str | None = None) -> pd.DataFrame:
    return forecast_panel(served(found), time="when", series=series)


def served(found: Panel) -> Served:
    return Served(last_values(len(found.columns), found.targets), Cutter(found, WINDOW))


# Times


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("freq", "start"),
    [
        ("1h", "2024-03-30 12:00"),
        ("30min", "2024-03-31 00:30"),
        ("1D", "2024-03-18"),
        ("1D", "2024-03-18 06:30"),
        ("7D", "2024-01-03"),
        ("MS", "2023-05-01"),
        ("MS", "2023-09-01"),
        ("ME", "2022-12-31"),
        ("QS", "2020-01-01"),
        ("YS", "2010-01-01"),
        ("28D", "2023-01-04"),
        ("30D", "2023-01-04"),
    ],
)
def test_times_go_on_as_they_were(freq: str, start: str, zone: str | None) -> None:
    """Twelve known steps, then three: over the change to summer time, short months and leap years."""
    times = pd.date_range(start, periods=12 + HORIZON, freq=freq, tz=zone, unit="ns")
    kind = f"timestamp[ns, tz={zone}]" if zone else "timestamp[ns]"
    found = replace(panel(12), times=times[:12].asi8, time_type=kind)

    frame = forecast(found)

    assert list(frame["when"]) == list(times[12:])
    assert frame["when"].dtype == times.dtype


def test_a_day_of_the_month_that_not_every_month_has() -> None:
    days = ["01-30", "02-29", "03-30", "04-30", "05-30", "06-30"]
    times = pd.DatetimeIndex([f"2024-{day} 08:00" for day in days]).as_unit("ns")
    found = replace(panel(6), times=times.asi8)

    assert [str(when) for when in forecast(found)["when"]] == [
        "2024-07-30 08:00:00",
        "2024-08-30 08:00:00",
        "2024-09-30 08:00:00",
    ]


def test_whole_numbers_go_on_by_their_step() -> None:
    found = replace(panel(5), times=np.array([3, 5, 7, 9, 11]), time_type="int64")

    assert forecast(found)["when"].tolist() == [13, 15, 17]


# Values


def test_every_series_has_its_rows_after_its_own_end() -> None:
    found = panel(6, 9, 4, columns=3, targets=2)

    frame = forecast(found, series="id")

    assert list(frame.columns) == ["id", "when", "c0", "c1"]
    assert frame["id"].tolist() == ["s0"] * 3 + ["s1"] * 3 + ["s2"] * 3
    for index, end in enumerate(found.offsets[1:]):
        rows = frame.iloc[3 * index : 3 * index + 3]
        np.testing.assert_array_equal(rows[["c0", "c1"]], found.rows[end - 3 : end, :2])
        assert rows["when"].iloc[0] == pd.Timestamp(int(found.times[end - 1])) + pd.Timedelta("1h")


@pytest.mark.parametrize(
    ("lengths", "who"),
    [
        ((3,), "the series has 3 steps"),
        ((9, 2), "series 's1' has 2 steps"),
        ((3, 9, 2, 1), "series 's0' (and 2 more) has 3 steps"),
    ],
)
def test_too_short_a_history_is_told(lengths: tuple[int, ...], who: str) -> None:
    with pytest.raises(JobError) as error:
        check_history(panel(*lengths), WINDOW, "error")

    assert str(error.value) == (f"{who}, fewer than the 4 that the model looks back; give it more history")


def test_series_that_are_too_short_can_be_left_out() -> None:
    found = panel(3, 9, 2, 5)
    check_history(found, WINDOW, "leave_out")

    frame = forecast(found, series="id")

    assert frame["id"].tolist() == ["s1"] * 3 + ["s3"] * 3
    np.testing.assert_array_equal(frame["c0"], found.rows[[9, 10, 11, 16, 17, 18], 0])
    with pytest.raises(JobError, match="has 3 steps, fewer than the 4"):
        check_history(panel(3, 2), WINDOW, "leave_out")


def test_many_windows_are_forecast_in_order() -> None:
    found = panel(2600)
    starts = np.arange(2500)

    forecasts = served(found).forecast(starts)

    np.testing.assert_array_equal(forecasts[:, 0, 0], found.rows[1:2501, 0])
    assert forecasts.shape == (2500, HORIZON, 1)


# Scores


def windows_of_the_test(found: Panel, split: Split) -> list[tuple[int, int]]:
    """The series and the first target row of every test window."""
    origins = []
    for index, (begin, end) in enumerate(zip(found.offsets, found.offsets[1:], strict=False)):
        length = int(end - begin)
        first = length - int(length * split.test + 1e-9)
        origins += [(index, int(begin) + step) for step in range(first, length - HORIZON + 1)]
    return origins


def by_hand(found: Panel, split: Split, deviation: Any, season: int) -> dict[str, dict[str, float]]:
    errors: dict[str, list[Any]] = {"model": [], "seasonal_naive": []}
    for _, origin in windows_of_the_test(found, split):
        actual = found.rows[origin : origin + HORIZON, :1].astype(np.float64)
        errors["model"].append(actual - found.rows[origin - HORIZON : origin, :1])
        naive = [found.rows[origin + step - season * (step // season + 1), :1] for step in range(HORIZON)]
        errors["seasonal_naive"].append(actual - np.stack(naive))
    scores = {}
    for name, rows in errors.items():
        every = np.concatenate(rows)
        scores[name] = {
            "mse": float(np.mean((every / deviation) ** 2)),
            "mae": float(np.mean(np.abs(every) / deviation)),
            "raw_rmse": float(np.sqrt(np.mean(every**2))),
            "raw_mae": float(np.mean(np.abs(every))),
        }
    return scores


@pytest.mark.parametrize("scale", ["standard", "instance", "none"])
@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_the_test_score_is_worked_out_by_hand(
    scale: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_module, "_CHUNK", chunk)
    found, split = panel(40, 60), Split(validation=0.2, test=0.2)
    parts = split_panel(found, split)
    deviation = 1.0 if scale == "none" else standard(found, parts).spread[0, 0]

    scores = score_test(last_values(), found, parts, WindowParams(LOOKBACK, HORIZON, 5, 1, scale), season=2)

    assert scores is not None
    wanted = by_hand(found, split, deviation, season=2)
    assert list(scores) == ["model", "seasonal_naive"]
    for name, metrics in wanted.items():
        assert {key: scores[name][key] for key in metrics} == pytest.approx(metrics, rel=1e-5)
        assert scores[name].keys() - metrics.keys() == {"smape", "mase"}


def test_mase_is_relative_to_each_series_own_training_part() -> None:
    found = panel(40, 60)
    found.rows[40:] *= 100  # a series of another size
    parts = split_panel(found, Split())
    scores = score_test(last_values(), found, parts, WindowParams(LOOKBACK, HORIZON, 1, 1, "none"), season=1)

    ratios = []
    for series, origin in windows_of_the_test(found, Split()):
        begin, stop = int(found.offsets[series]), int(parts.validation[series])
        scale = np.abs(np.diff(found.rows[begin:stop, 0].astype(np.float64))).mean()
        actual = found.rows[origin : origin + HORIZON, 0].astype(np.float64)
        ratios.append(np.abs(actual - found.rows[origin - HORIZON : origin, 0]).mean() / scale)
    assert scores is not None
    assert scores["model"]["mase"] == pytest.approx(np.mean(ratios), rel=1e-6)


def test_of_very_many_windows_some_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    found = panel(4000)
    parts = split_panel(found, Split())
    given = last_values(), found, parts, WindowParams(LOOKBACK, HORIZON, 1, 1, "none")
    signs: list[int] = []
    every = score_test(*given, season=2, alive=lambda: signs.append(1))
    monkeypatch.setattr(forecast_module, "MOST_SCORED", 200)

    some = score_test(*given, season=2)

    assert every is not None
    assert some is not None
    assert signs
    assert some["model"] == pytest.approx(every["model"], rel=0.2)
    assert some != every


def test_without_a_test_part_there_is_no_score() -> None:
    found = panel(40)
    parts = split_panel(found, Split(validation=0.2, test=0))

    assert score_test(last_values(), found, parts, WindowParams(4, 3, 1, 1, "none"), season=2) is None


def ends(lookback: int) -> keras.Model:
    values = keras.Input((lookback, 2))
    return keras.Model(values, values[:, -HORIZON:, :1])


@pytest.mark.parametrize(("long", "padded"), [(9, False), (50, False), (50, True)])
def test_models_that_look_back_differently_are_scored_on_the_same_steps(
    long: int,
    padded: bool,  # noqa: FBT001
) -> None:
    """Of 40 and 60 steps the last fifths are tested; 50 steps back there is nothing in the first series."""
    found = panel(40, 60)
    parts = split_panel(found, Split())
    windows = WINDOW, replace(WINDOW, lookback=long, padded=padded)
    models = {str(each.lookback): Served(ends(each.lookback), Cutter(found, each)) for each in windows}
    for window, served_ in zip(windows, models.values(), strict=True):
        if window.padded:
            length = keras.Input((), dtype="int32", name="length")
            values = keras.Input((long, 2), name="values")
            at = keras.ops.expand_dims(length, 1) - HORIZON + np.arange(HORIZON)
            rows = keras.ops.take_along_axis(values[:, :, :1], keras.ops.expand_dims(at, 2), axis=1)
            models[str(long)] = replace(
                served_, model=keras.Model({"values": values, "length": length}, rows)
            )
    ground = Ground.of(found, parts, Scaling(), season=2, loss=Loss("mae"))

    origins = scored_origins(parts, *windows)
    scores = score_at(origins, models, ground)

    wanted = [
        origin for _, origin in windows_of_the_test(found, Split()) if padded or long < 50 or origin >= 90
    ]
    assert origins[: len(origins)].tolist() == wanted
    assert list(scores) == ["4", str(long), "seasonal_naive"]
    actual = found.rows[np.array(wanted)[:, None] + np.arange(HORIZON), 0].astype(np.float64)
    ended = found.rows[np.array(wanted)[:, None] + np.arange(-HORIZON, 0), 0]
    sums = (np.abs(actual - ended) / ground.unit).sum(axis=1)
    for name in models:
        np.testing.assert_allclose(scores[name].losses(), sums, rtol=1e-5)
        assert scores[name].means()["mae"] == pytest.approx(sums.mean() / HORIZON, rel=1e-5)
