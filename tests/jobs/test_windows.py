"""Windows and parts against a slow, obvious loop over the rows of every series."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.parts import parts_of, short_series, split_panel
from jobs.windows import Windows, check_windows, count_windows, make_windows
from tests.jobs.small import job, panel

PARTS = st.floats(0, 0.49) | st.integers(0, 12)
BEGIN = pd.Timestamp("1970-01-01")  # of the tests' panels
DATES = st.integers(-3, 45).map(lambda hour: str(BEGIN + pd.Timedelta(hours=hour)))


def steps_of(part: float | str, length: int, following: int) -> int:
    """How many steps a part has, before so many of the following one; hours from ``BEGIN`` on for a date."""
    if isinstance(part, str):
        begin = max((pd.Timestamp(part) - BEGIN) // pd.Timedelta("1h"), 0)
        return max(length - following - begin, 0)
    return int(part) if part >= 1 else int(length * part + 1e-9)


def part_of(step: int, length: int, split: Split) -> str:
    """Which part a series' row belongs to; nothing for a gap."""
    test = length - min(steps_of(split.test, length, 0), length)
    validation = max(test - steps_of(split.validation, length, length - test), 0)
    if step >= test:
        return "test"
    if step >= validation:
        return "validation" if step < test - split.gap else ""
    return "train" if step < validation - split.gap else ""


def obvious(found: Panel, split: Split, window: WindowParams) -> dict[str, list[int]]:
    """First rows of the windows of each part: try every row of every series."""
    starts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for offset, length in zip(found.offsets, found.lengths(), strict=False):
        begun: dict[str, int] = {}
        for first in range(length - window.lookback - window.horizon + 1):
            inputs = {part_of(first + i, length, split) for i in range(window.lookback)}
            ahead = range(first + window.lookback, first + window.lookback + window.horizon)
            targets = {part_of(step, length, split) for step in ahead}
            (part,) = targets if len(targets) == 1 else [""]
            if not part or (part == "train" and inputs != {"train"}):
                continue
            stride = window.stride if part == "train" else window.evaluation_stride
            if (first - begun.setdefault(part, first)) % stride == 0:
                starts[part].append(int(offset) + first)
    return starts


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    validation=PARTS.filter(bool) | DATES,
    test=PARTS | DATES,
    gap=st.integers(0, 4),
    sizes=st.tuples(st.integers(1, 8), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 7), st.integers(1, 4)),
)
def test_windows_are_those_of_the_obvious_loop(
    lengths: list[int],
    validation: float | str,
    test: float | str,
    gap: int,
    sizes: tuple[int, int],
    strides: tuple[int, int],
) -> None:
    assume(not (isinstance(validation, str) and isinstance(test, str) and validation >= test))
    split = Split(validation=validation, test=test, gap=gap)
    window = WindowParams(*sizes, *strides, "none")
    found = panel(*lengths)
    parts = split_panel(found, split)

    windows = make_windows(parts, window)

    wanted = obvious(found, split, window)
    assert {name: getattr(windows, name)[:].tolist() for name in wanted} == wanted
    assert count_windows(parts, window) == {name: len(starts) for name, starts in wanted.items()}
    holds_no_secret(found, split, window, windows)


def holds_no_secret(found: Panel, split: Split, window: WindowParams, windows: Windows) -> None:
    """No training window sees a row of a later part, and no target of validation lies in the test."""
    owner = np.repeat(np.arange(len(found.series)), found.lengths())
    step = np.arange(len(owner)) - found.offsets[owner]
    parts = np.array(
        [part_of(int(at), int(found.lengths()[who]), split) for at, who in zip(step, owner, strict=True)]
    )
    size = window.lookback + window.horizon
    for name in ("train", "validation", "test"):
        for first in getattr(windows, name)[:]:
            assert len(set(owner[first : first + size])) == 1
            seen = parts[first if name == "train" else first + window.lookback : first + size]
            assert set(seen) == {name}


def test_a_panel_of_thousands_of_series_is_split_by_arithmetic() -> None:
    found = panel(*range(20, 2020))

    windows = make_windows(split_panel(found, Split()), WindowParams(5, 2, 3, 1, "none"))

    assert len(windows.test) == sum(int(length * 0.2 + 1e-9) - 1 for length in range(20, 2020))


def test_windows_take_no_memory_however_many_there_are() -> None:
    found = panel(400_000, 300_000)
    parts = split_panel(found, Split())

    tracemalloc.start()
    try:
        windows = make_windows(parts, WindowParams(24, 6, 1, 1, "none"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(windows.train) > 400_000
    assert peak < 10_000


def test_windows_are_found_by_their_numbers() -> None:
    windows = make_windows(split_panel(panel(40, 9, 50), Split()), WindowParams(5, 2, 3, 2, "none")).train
    numbers = np.random.default_rng(0).permutation(len(windows))

    assert windows.at(numbers).tolist() == windows[:][numbers].tolist()
    assert windows[3:7].tolist() == windows[:].tolist()[3:7]
    assert windows[len(windows) :].tolist() == []


# Too little


@pytest.mark.parametrize(
    ("lengths", "overrides", "sentence"),
    [
        (
            [10],
            ["window.lookback=9"],
            (
                "data/: the series has 10 steps, fewer than window.lookback + window.horizon = 9 + 2 = 11; "
                "shorten the window, drop the series or write data.short: leave_out or pad"
            ),
        ),
        (
            [30, 10, 40, 6],
            ["window.lookback={int: {min: 3, max: 9}}"],
            (
                "data/: series 's1' (and 1 more) has 10 steps, fewer than window.lookback + window.horizon "
                "= 9 + 2 = 11; shorten the window, drop the series or write data.short: leave_out or pad"
            ),
        ),
        (
            [30, 10],
            ["window.lookback={choice: [9, 3]}"],
            (
                "data/: series 's1' has 10 steps, fewer than window.lookback + window.horizon "
                "= 9 + 2 = 11; shorten the window, drop the series or write data.short: leave_out or pad"
            ),
        ),
        (
            [20],
            ["window.lookback=8", "data.split={validation: 8, test: 8}"],
            (
                "data.split: the train part holds no window of lookback 8 and horizon 2 "
                "(series have 20 to 20 steps); change data.split or the window"
            ),
        ),
        (
            [20, 26],
            ["window.lookback=4", "data.split={validation: 1, test: 8}"],
            (
                "data.split: the validation part holds no window of lookback 4 and horizon 2 "
                "(series have 20 to 26 steps); change data.split or the window"
            ),
        ),
        (
            [20],
            ["window.lookback=4", "data.split={validation: 8, test: 0.05}"],
            (
                "data.split: the test part holds no window of lookback 4 and horizon 2 "
                "(series have 20 to 20 steps); change data.split or the window"
            ),
        ),
    ],
)
def test_too_little_data_is_told(lengths: list[int], overrides: list[str], sentence: str) -> None:
    with pytest.raises(JobError) as error:
        check_windows(job(*overrides), panel(*lengths))

    assert str(error.value) == sentence


def test_short_series_are_left_out_whole_and_for_every_lookback() -> None:
    asked = job("window.lookback={choice: [3, 9]}", "data.short=leave_out")
    found = panel(30, 10, 40, 6)

    check_windows(asked, found)

    parts = parts_of(asked, found)
    assert short_series(asked, found).tolist() == [1, 3]
    assert (parts.end - parts.train).tolist() == [30, 0, 40, 0]
    windows = make_windows(parts, WindowParams(3, 2, 1, 1, "none"))
    rows = np.concatenate([windows.train[:], windows.validation[:], windows.test[:]])
    assert set(np.searchsorted(found.offsets, rows, side="right") - 1) == {0, 2}


def test_not_all_series_can_be_left_out() -> None:
    with pytest.raises(JobError, match=r"series 's0' \(and 1 more\) has 5 steps, fewer than"):
        check_windows(job("window.lookback=9", "data.short=leave_out"), panel(5, 6))


def test_without_a_test_part_none_is_missed() -> None:
    check_windows(job("window.lookback=4", "data.split={validation: 0.3, test: 0}"), panel(20))


def test_one_series_that_fills_every_part_is_enough() -> None:
    split = "data.split={validation: 0.2, test: 0.2}"

    check_windows(job("window.lookback=4", split), panel(8, 60))


def test_what_is_checked_holds_for_every_lookback_of_the_search() -> None:
    check_windows(job("window.lookback={int: {min: 2, max: 6, step: 2}}"), panel(30))
    parts = split_panel(panel(30), Split())
    for lookback in (2, 4, 6):
        windows = make_windows(parts, replace(WindowParams(0, 2, 1, 1, "none"), lookback=lookback))
        assert all(len(getattr(windows, name)) for name in ("train", "validation", "test"))
