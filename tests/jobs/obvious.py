"""What a panel should be, by pandas, one series and one row after the other: slow, and plain to see."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from jobs.panel import Panel
from jobs.source import Columns

Series = dict[Any, pd.DataFrame]


class RefusedError(Exception):
    """The data should be refused."""


def obvious(frame: pd.DataFrame, columns: Columns, zone: str | None) -> Panel:
    """The panel of a frame with a row for each row of the shards, its times in UTC or without a zone."""
    numbers = list(columns.numbers)
    series: Series = {
        name: group.sort_values("t").set_index("t")[numbers].astype(float)
        for name, group in sorted(frame.groupby("id"), key=lambda item: item[0])
    }
    if columns.missing == "error" and frame[numbers].isna().any(axis=None):
        raise RefusedError("missing values")
    step = common_step(series)
    if columns.frequency is not None:
        series = {name: on_grid(one, str(columns.frequency), zone) for name, one in series.items()}
        step = nominal(str(columns.frequency))
    elif columns.missing != "error":
        series = (
            {name: between(one, step) for name, one in series.items()} if regular(series, step) else series
        )
    if columns.missing == "error" and any(one.isna().any(axis=None) for one in series.values()):
        raise RefusedError("steps without a row")
    known = {name: one.notna() for name, one in series.items()}
    series = {name: filled(one, columns) for name, one in series.items()}
    return assembled(series, known, columns, (step, zone), statics(frame, columns))


def common_step(series: Series) -> int:
    """The most common distance, of two as common the smaller."""
    counts = Counter(int(each) for one in series.values() for each in np.diff(one.index.asi8))
    return min(counts, key=lambda distance: (-counts[distance], distance)) if counts else 1


def regular(series: Series, step: int) -> bool:
    """Whether all distances are whole steps, and more than half of them not several."""
    distances = np.concatenate([np.diff(one.index.asi8) for one in series.values()])
    return not (distances % step).any() and 2 * (distances > step).sum() <= len(distances)


def between(one: pd.DataFrame, step: int) -> pd.DataFrame:
    return one.reindex(pd.to_datetime(np.arange(one.index.asi8[0], one.index.asi8[-1] + 1, step)))


def on_grid(one: pd.DataFrame, frequency: str, zone: str | None) -> pd.DataFrame:
    """The means of the rows of each step, and the steps that have none."""
    offset = pd.tseries.frequencies.to_offset(frequency)
    tick = isinstance(offset, pd.tseries.offsets.Tick) and not isinstance(offset, pd.offsets.Day)
    wall = (
        one.index if zone is None or tick else one.index.tz_localize("UTC").tz_convert(zone).tz_localize(None)
    )
    winter = pd.Timedelta(0 if zone is None else pd.Timestamp("2000-01-01", tz=zone).utcoffset())
    labels = [
        (stamp + winter).floor(frequency) - winter if tick else offset.rollback(stamp.normalize())
        for stamp in wall
    ]
    means = one.groupby(pd.DatetimeIndex(labels)).mean()
    whole = means.reindex(pd.date_range(labels[0], labels[-1], freq=frequency))
    if zone is not None and not tick:
        whole.index = whole.index.tz_localize(zone).tz_convert("UTC").tz_localize(None)
    whole.index = whole.index.as_unit("ns")
    return whole


def nominal(frequency: str) -> int:
    offset = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(offset, pd.tseries.offsets.Tick) and not isinstance(offset, pd.offsets.Day):
        return pd.Timedelta(offset).value
    dates = pd.date_range("1980-01-01", "2020-01-01", freq=frequency)
    return int(pd.Series(np.diff(dates.as_unit("ns").asi8)).mode()[0])


def filled(one: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    if columns.missing == "error":
        return one
    for name in one:
        run = 0
        for value in one[name]:
            run = run + 1 if np.isnan(value) else 0
            if columns.missing_limit is not None and run > columns.missing_limit:
                raise RefusedError(f"{name}: too long")
        if one[name].isna().all() and not (columns.missing == "mask" and name in columns.past):
            raise RefusedError(f"{name}: nothing known")
    if columns.missing == "interpolate":
        one = one.interpolate(method="time", limit_area="inside")
    return one.ffill().bfill().fillna(0)


def away(known: pd.DataFrame) -> pd.DataFrame:
    """How many rows before each the last known value lies, or, negative, how many behind it the first."""
    found = {}
    for name in known:
        rows = pd.Series(np.arange(len(known)), known.index)
        source = rows.where(known[name])
        found[name] = (rows - source.ffill().fillna(source.bfill())).fillna(1)
    return pd.DataFrame(found, index=known.index)


def statics(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """One row a series, one column a feature."""
    once = frame.drop_duplicates("id").sort_values("id")[list(columns.static)]
    parts = []
    for name in columns.static:
        numeric = pd.api.types.is_numeric_dtype(once[name])
        parts.append(once[[name]] if numeric else pd.get_dummies(once[[name]], prefix_sep="="))
    return pd.concat(parts, axis=1).astype(np.float32) if parts else pd.DataFrame()


def calendar(times: pd.DatetimeIndex, step: int, zone: str | None) -> pd.DataFrame:
    day = 24 * 3600 * 10**9
    wall = times if zone is None else times.tz_localize("UTC").tz_convert(zone)
    in_day = (wall.hour + (wall.minute + (wall.second + wall.microsecond / 1e6) / 60) / 60) / 24
    cycles = {
        "hour": in_day if step < day else None,
        "weekday": wall.dayofweek / 7 if step <= day else None,
        "month": (wall.dayofyear - 1 + in_day) / np.where(wall.is_leap_year, 366, 365),
    }
    found = {}
    for name, part in cycles.items():
        if part is not None:
            found[f"calendar.{name}_sin"] = np.sin(2 * np.pi * np.asarray(part))
            found[f"calendar.{name}_cos"] = np.cos(2 * np.pi * np.asarray(part))
    return pd.DataFrame(found, index=times)


def assembled(
    series: Series, known: Series, columns: Columns, calendar_of: tuple[int, str | None], static: pd.DataFrame
) -> Panel:
    past = [*columns.target, *columns.past]
    gone = {name: sum(int((~one[name]).sum()) for one in known.values()) for name in columns.numbers}
    hidden = columns.missing in {"interpolate", "forward"} and any(gone.values())
    tables = []
    for name, one in series.items():
        parts = [one]
        if columns.calendar:
            parts.append(calendar(one.index, *calendar_of))
        if columns.missing == "mask":
            parts.append((~known[name][past]).astype(float).add_suffix(".missing"))
        if hidden:
            parts.append(away(known[name][past]).add_suffix(".missing"))
        tables.append(pd.concat(parts, axis=1))
    features = sum(column.startswith("calendar.") for column in tables[0])
    return Panel(
        columns=tuple(tables[0]),
        targets=len(columns.target),
        rows=np.concatenate([table.to_numpy(np.float32) for table in tables]),
        times=np.concatenate([table.index.asi8 for table in tables]),
        offsets=np.array([0, *np.cumsum([len(table) for table in tables])], np.int64),
        series=tuple(series),
        time_type=f"timestamp[ns, tz={calendar_of[1]}]" if calendar_of[1] else "timestamp[ns]",
        known=len(columns.future) + features,
        calendar=features,
        masks=len(past) if hidden or columns.missing == "mask" else 0,
        hidden=hidden,
        static=static.to_numpy(np.float32) if len(static) else None,
        statics=tuple(static),
        filled=tuple((name, count) for name, count in gone.items() if count),
    )
