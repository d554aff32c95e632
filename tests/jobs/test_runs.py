"""The order of rows by series and time, against NumPy's own sort."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from jobs.runs import order_by_time

ROWS = st.tuples(st.integers(0, 2**31 - 1), st.integers(-(2**63), 2**63 - 1))


@settings(deadline=None, derandomize=True)
@given(rows=st.lists(ROWS, unique=True), in_time=st.booleans())
def test_rows_are_ordered_by_series_and_then_by_time(
    rows: list[tuple[int, int]],
    in_time: bool,  # noqa: FBT001
) -> None:
    rows = sorted(rows, key=lambda row: row[1]) if in_time else rows
    series = np.array([row[0] for row in rows], np.int32)
    times = np.array([row[1] for row in rows], np.int64)

    assert order_by_time(series, times).tolist() == np.lexsort((times, series)).tolist()
