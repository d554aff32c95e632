"""Panels that are put together from pieces: the same rows whatever their order, and little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs import assembly, npyfile, pieces, scan
from jobs.assembly import Assembly
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.shards import build_panel
from jobs.source import Columns, Source
from tests.jobs.shard_files import HOURS, LOCAL, ONE, good, read, refusal, write

COLUMNS = Columns("t", "id", ("y",), ("x",))
SERIES, LENGTH = 7, 60


@pytest.fixture(params=[0, 32])
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is done a piece at a time takes several, which are left as they are or sorted first."""
    monkeypatch.setattr(pieces, "_SHORT", request.param)
    for module, name, rows in (
        (scan, "_PIECE", 13),
        (npyfile, "BLOCK", 11),
        (assembly, "BLOCK", 11),
        (assembly, "_GROUP", 50),
    ):
        monkeypatch.setattr(module, name, rows)


def frame(lengths: list[int]) -> pd.DataFrame:
    """Series of these lengths, sorted; ``y`` is each row's number."""
    ids = np.repeat([f"s{index}" for index in range(len(lengths))], lengths)
    times = np.concatenate([np.arange(length) * 3 for length in lengths])
    return pd.DataFrame({"id": ids, "t": times, "y": np.arange(len(ids), dtype=float), "x": times * 0.5})


def write_shards(folder: Path, rows: pd.DataFrame, count: int) -> None:
    for index, part in enumerate(np.array_split(np.arange(len(rows)), count)):
        columns = {name: rows[name].to_numpy()[part] for name in rows}
        write(folder / f"{index:03d}.parquet", **columns)


def by_time(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["t", "id"])


def newest_first(rows: pd.DataFrame, stretch: int = 30) -> pd.DataFrame:
    """Stretches of each series, each in order, the later ones first."""
    return rows.assign(stretch=-(rows["t"] // stretch)).sort_values(["id", "stretch", "t"])[rows.columns]


def newest_years_first(rows: pd.DataFrame) -> pd.DataFrame:
    return newest_first(rows, 30_000)


def interleaved(rows: pd.DataFrame) -> pd.DataFrame:
    """Every other row first, then the rest."""
    return pd.concat([rows.iloc[::2], rows.iloc[1::2]])


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sample(frac=1, random_state=0)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", [by_time, newest_first, interleaved, shuffled])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("lengths", [[SERIES * LENGTH], [LENGTH] * SERIES, [1, 200, 2, 3, 90, 1]])
def test_any_order_gives_the_sorted_panel(
    tmp_path: Path, order: object, count: int, lengths: list[int]
) -> None:
    assert callable(order)
    rows = frame(lengths)
    write_shards(tmp_path, order(rows), count)

    panel = read(tmp_path, COLUMNS)

    np.testing.assert_array_equal(panel.rows, rows[["y", "x"]].to_numpy(np.float32))
    np.testing.assert_array_equal(panel.times, rows["t"].to_numpy())
    assert panel.lengths().tolist() == lengths
    assert panel.series == tuple(f"s{index}" for index in range(len(lengths)))


@pytest.mark.usefixtures("small_pieces")
def test_rows_that_come_in_order_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Assembly, "_copy")
    rows = frame([LENGTH] * SERIES)
    write_shards(tmp_path / "data", rows, 4)

    build_panel(Source.find(LOCAL, str(tmp_path / "data"), COLUMNS), tmp_path / "panel")
    panel = Panel.load(tmp_path / "panel")

    np.testing.assert_array_equal(panel.rows[:, 0], rows["y"])
    names = {path.name for path in (tmp_path / "panel").iterdir()}
    assert names == {"rows.npy", "times.npy", "offsets.npy", "panel.json"}
    assert Panel.load(tmp_path / "panel").fingerprint() == panel.fingerprint()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", [by_time, shuffled])
def test_duplicates_are_counted_over_all_pieces(tmp_path: Path, order: object) -> None:
    assert callable(order)
    write_shards(tmp_path, order(frame([LENGTH] * SERIES)), 3)
    again = frame([LENGTH] * SERIES)
    again = again[again["t"].isin([9, 90])]
    write(tmp_path / "z.parquet", **{name: again[name].to_numpy() for name in again})

    assert refusal(tmp_path, COLUMNS) == (
        f"shard {tmp_path}/z.parquet: column 't' has 14 duplicate times, the first 9 of series 's0'; "
        "keep one row for each"
    )


@pytest.mark.usefixtures("small_pieces")
def test_faults_are_counted_over_the_whole_shard(tmp_path: Path) -> None:
    values = np.arange(100.0)
    values[[31, 77, 78]] = np.nan
    times = pd.date_range("2024-01-01", periods=100, freq="h").strftime("%Y-%m-%d %H:%M").to_numpy(object)
    write(tmp_path / "y.parquet", t=np.arange(100), y=values)
    assert refusal(tmp_path) == (
        f"shard {tmp_path}/y.parquet: column 'y' has 3 missing, NaN or infinite values, the first in row 31 "
        "(nan); fill or drop them, or let data.missing say how they are filled"
    )
    times[[40, 90]] = "soon"
    write(tmp_path / "y.parquet", t=times, y=np.arange(100.0))
    assert refusal(tmp_path) == (
        f"shard {tmp_path}/y.parquet: column 't': 2 timestamps cannot be read, the first in row 40 ('soon'); "
        "write them as 2024-01-31 14:00:00"
    )


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    shard = good(tmp_path / "a.parquet", t=HOURS)
    (tmp_path / "file").write_text("")

    with pytest.raises(JobError) as refused:
        build_panel(Source.find(LOCAL, str(shard), ONE), tmp_path / "file" / "panel")
    assert str(refused.value) == (
        f"{tmp_path}/file/panel: the panel cannot be written there (Not a directory); "
        "make room on that disk, or set RECUR_CACHE to a folder on a larger one"
    )


@pytest.mark.parametrize("order", [None, by_time, newest_years_first])
def test_no_more_than_a_piece_is_in_memory(
    tmp_path: Path, order: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as NumPy knows; what Arrow reads is a piece too, but not traced."""
    monkeypatch.setattr(scan, "_PIECE", 1 << 13)
    monkeypatch.setattr(scan, "_AHEAD", 2)
    monkeypatch.setattr(npyfile, "BLOCK", 1 << 12)
    monkeypatch.setattr(assembly, "BLOCK", 1 << 12)
    monkeypatch.setattr(assembly, "_GROUP", 1 << 14)
    rows = frame([100_000] * 5)
    write_shards(tmp_path / "data", order(rows) if callable(order) else rows, 5)
    size = rows[["y", "x"]].to_numpy(np.float32).nbytes

    tracemalloc.start()
    try:
        build_panel(Source.find(LOCAL, str(tmp_path / "data"), COLUMNS), tmp_path / "panel")
        panel = Panel.load(tmp_path / "panel")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    np.testing.assert_array_equal(panel.rows, rows[["y", "x"]].to_numpy(np.float32))
    np.testing.assert_array_equal(panel.times, rows["t"])
    assert peak < size / 2
