"""Panels with everything that a job may ask for are held against pandas, whatever the shards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from jobs import assembly, gridding, npyfile, scan
from jobs.errors import JobError
from jobs.source import Columns
from tests.jobs.obvious import RefusedError, obvious
from tests.jobs.shard_files import read

FREQUENCIES = ("1s", "15min", "90min", "1h", "1D", "B", "W", "W-WED", "MS", "ME", "QS")
ANY = settings(
    deadline=None,
    max_examples=400,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is done a block at a time takes several."""
    for module, name, rows in (
        (scan, "_PIECE", 7),
        (npyfile, "BLOCK", 5),
        (assembly, "BLOCK", 5),
        (gridding, "BLOCK", 5),
        (assembly, "_GROUP", 9),
    ):
        monkeypatch.setattr(module, name, rows)


@st.composite
def any_columns(draw: st.DrawFn) -> Columns:
    missing = draw(st.sampled_from(["error", "interpolate", "forward", "mask"]))
    return Columns(
        time="t",
        series="id",
        target=draw(st.sampled_from([("y",), ("y", "z")])),
        past=draw(st.sampled_from([(), ("x",)])),
        future=draw(st.sampled_from([(), ("f",)])),
        static=draw(st.sampled_from([(), ("size",), ("kind", "size")])),
        calendar=draw(st.booleans()),
        missing=missing,
        missing_limit=draw(st.sampled_from([None, None, None, 2, 4])) if missing != "error" else None,
        frequency=draw(st.none() | st.sampled_from(FREQUENCIES)),
    )


@st.composite
def any_rows(draw: st.DrawFn, columns: Columns, zone: str | None) -> pd.DataFrame:
    """Up to four series around the days on which clocks are changed, with gaps, at times beside the steps."""
    frequency = str(columns.frequency or draw(st.sampled_from(["7s", "15min", "1h"])))
    number = st.floats(-1000, 1000, width=32)
    gone = draw(st.sampled_from([0, 1, 3]))  # of ten rows
    lost = 0 if columns.missing == "error" else draw(st.sampled_from([0, 1, 4]))  # of ten values
    frames = []
    for who in draw(st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True)):
        start = draw(st.sampled_from(["2024-03-29", "2023-10-28 20:00", "2024-02-28 23:59:59"]))
        times = pd.date_range(start, periods=draw(st.integers(1, 14)), freq=frequency, tz=zone)
        kept = [each for each in times if draw(st.integers(0, 9)) >= gone] or [times[0]]
        if columns.frequency is not None:
            later = [pd.Timedelta(draw(st.sampled_from([1, 59, 3599, 50_000])), "s") for _ in kept]
            kept += [each + by for each, by in zip(kept, later, strict=True) if draw(st.booleans())]
        index = pd.DatetimeIndex(sorted(set(kept))).as_unit("ns")
        frame = pd.DataFrame({"t": index.tz_convert("UTC").tz_localize(None) if zone else index})
        for name in columns.numbers:
            frame[name] = [np.nan if draw(st.integers(0, 9)) < lost else draw(number) for _ in index]
        frame["kind"], frame["size"] = draw(st.sampled_from(["a", "b", "ü"])), draw(number)
        frames.append(frame.assign(id=who))
    return pd.concat(frames, ignore_index=True)


def write_shards(folder: Path, rows: pd.DataFrame, zone: str | None, data: st.DataObject) -> None:
    rows = rows.iloc[data.draw(st.permutations(range(len(rows))))]
    if zone:
        rows = rows.assign(t=rows["t"].dt.tz_localize("UTC").dt.tz_convert(zone))
    schema = pa.Table.from_pandas(rows, preserve_index=False).schema
    owner = np.array([data.draw(st.integers(0, 2)) for _ in range(len(rows))])
    for shard in range(3):
        table = pa.Table.from_pandas(rows[owner == shard], schema=schema, preserve_index=False)
        pq.write_table(table, folder / f"{shard}.parquet")


@ANY
@given(columns=any_columns(), zone=st.sampled_from([None, "Europe/Berlin"]), data=st.data())
def test_any_panel_is_the_obvious_one(columns: Columns, zone: str | None, data: st.DataObject) -> None:
    rows = data.draw(any_rows(columns, zone))
    found: Any
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), rows, zone, data)
        try:
            found = read(folder, columns)
        except JobError as error:
            found = str(error)
            assert folder in found
            assert "\n" not in found
    if isinstance(found, str) and "bring all to one" in found:
        assert columns.frequency is None
        return
    try:
        wanted = obvious(rows, columns, zone)
    except RefusedError:
        assert isinstance(found, str)
        return
    assert not isinstance(found, str), found
    assert found.columns == wanted.columns
    assert found.times.astype("M8[ns]").tolist() == wanted.times.astype("M8[ns]").tolist()
    assert found.offsets.tolist() == wanted.offsets.tolist()
    np.testing.assert_allclose(found.rows, wanted.rows, rtol=1e-5, atol=1e-3)
    for name in (
        "targets",
        "series",
        "time_type",
        "known",
        "calendar",
        "masks",
        "hidden",
        "statics",
        "filled",
    ):
        assert getattr(found, name) == getattr(wanted, name), name
    assert (found.static is None) == (wanted.static is None)
    if wanted.static is not None:
        np.testing.assert_array_equal(found.static, wanted.static)
