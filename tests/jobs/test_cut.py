"""Windows of every shape against slow slicing of each series by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.parts import split_panel
from jobs.windows import make_windows
from tests.jobs.layouts import WINDOWS, rich_panel, window

PANEL = rich_panel()
SPLIT = Split(validation=6, test=6)


def by_hand(panel: Panel, chosen: WindowParams, part: str) -> list[dict[str, Any]]:
    """All windows of a part, series by series, cut with Python's slices."""
    found = []
    for number in range(len(panel.series)):
        rows = panel.rows[panel.offsets[number] : panel.offsets[number + 1]]
        length = len(rows)
        edges = {
            "train": (0, length - 12),
            "validation": (length - 12, length - 6),
            "test": (length - 6, length),
        }
        for origin in origins(chosen, *(max(0, edge) for edge in edges[part]), part):
            channels = range(panel.targets) if chosen.channel_independent else [None]
            found += [one(panel, rows, chosen, number, origin, channel) for channel in channels]
    return found


def origins(chosen: WindowParams, begin: int, end: int, part: str) -> list[int]:
    """First steps to forecast: a training part that is short for its window has one if it is padded."""
    last = end - chosen.horizon
    least = 1 if chosen.padded else chosen.lookback
    if part == "train":
        if last < chosen.lookback:
            return [last] if chosen.padded and last >= 1 else []
        return list(range(chosen.lookback, last + 1))
    return [origin for origin in range(begin, last + 1) if origin >= least]


def one(
    panel: Panel, rows: Any, chosen: WindowParams, number: int, origin: int, channel: int | None
) -> dict[str, Any]:
    begin = max(0, origin - chosen.lookback)
    history = rows[begin:origin]
    length = len(history)
    history = np.concatenate([history, np.repeat(history[-1:], chosen.lookback - length, axis=0)])
    ahead = rows[origin : origin + chosen.horizon]
    after = rows[begin + 1 : origin + chosen.horizon]
    fill = chosen.lookback + chosen.horizon - 1 - len(after)
    after = np.concatenate([after, np.repeat(after[-1:], fill, axis=0)])
    columns = [0, 1, 2, 3, 4, 5, 6, 7, 8] if channel is None else [channel, 2, 3, 4, 5, 6 + channel, 8]
    static = np.repeat(panel.static[number][None], chosen.lookback, axis=0)
    mine = [0, 1] if channel is None else [channel]
    return {
        "x": np.concatenate([history[:, columns], static], axis=1),
        "y": ahead[:, mine],
        "ahead": ahead[:, 3:6],
        "there": 1 - ahead[:, [6 + target for target in mine]],
        "sequence y": after[:, mine],
        "sequence ahead": after[:, 3:6],
        "length": length,
        "series": number,
    }


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_windows_are_what_slicing_gives(name: str, part: str) -> None:
    chosen = window(name)
    cutter = Cutter(PANEL, chosen, separate=chosen.channel_independent)
    windows = make_windows(split_panel(PANEL, SPLIT), chosen, cutter.channels)
    starts = getattr(windows, part)[:]
    wanted = by_hand(PANEL, chosen, part)
    assert wanted

    found = cutter.inputs_of(starts) | cutter.ahead_of(starts)

    assert len(starts) == len(getattr(windows, part)) == len(wanted)
    for key in ("x", "y", "ahead", "there"):
        np.testing.assert_array_equal(found[key], np.stack([each[key] for each in wanted]), key)
    after = cutter.ahead_of(starts, sequence=True)
    for key in ("y", "ahead"):
        np.testing.assert_array_equal(after[key], np.stack([each[f"sequence {key}"] for each in wanted]), key)
    assert cutter.series(starts).tolist() == [each["series"] for each in wanted]
    assert found["x"].shape[2] == cutter.inputs
    if chosen.padded:
        assert found["length"].tolist() == [each["length"] for each in wanted]
        assert part == "validation" or found["length"].min() < chosen.lookback
    else:
        assert "length" not in found


def test_a_bare_panel_has_nothing_ahead_but_its_targets() -> None:
    from tests.jobs.small import panel

    found = panel(30)
    cutter = Cutter(found, window("plain"))

    assert set(cutter.inputs_of(np.array([0, 4]))) == {"x"}
    assert set(cutter.ahead_of(np.array([0, 4]))) == {"y"}
