"""Values that were missing: windows see nothing of what came later, and what is filled is not scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.baselines import naive_error, seasonal_naive
from jobs.cut import Cutter
from jobs.dataspec import Split
from jobs.parts import split_panel
from jobs.scaling import Scaling, fit_scaler
from jobs.windows import make_windows
from tests.jobs.layouts import WINDOWS, gapped_panel, gaps, window

SPLIT = Split(validation=6, test=6)
PANELS = {missing: gapped_panel(missing) for missing in ("interpolate", "forward")}
RAW = {name: one.set_index("t") for name, one in gaps().groupby("id")}


def known_then(series: str, origin: int, missing: str) -> pd.DataFrame:
    """What pandas makes of the rows before ``origin`` of a series, had they been all that there is."""
    past = RAW[series][["a", "b", "past"]].iloc[:origin]
    if missing == "interpolate":
        past = past.interpolate(method="index", limit_area="inside")
    return past.ffill()


@pytest.mark.parametrize("missing", PANELS)
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_window_is_what_was_known_at_its_end(name: str, part: str, missing: str) -> None:
    panel, chosen = PANELS[missing], window(name)
    cutter = Cutter(panel, chosen, separate=chosen.channel_independent)
    starts = getattr(make_windows(split_panel(panel, SPLIT), chosen, cutter.channels), part)[:]

    found, ahead = cutter.inputs_of(starts), cutter.ahead_of(starts)

    assert found["x"].shape[2] == cutter.inputs == (3 if cutter.separate else 4)
    for number, start in enumerate(starts):
        series = int(cutter.series(starts[number : number + 1])[0])
        begin, channel = divmod(int(start), cutter.channels)
        origin = begin + chosen.lookback - int(panel.offsets[series])
        columns = [["a", "b"][channel], "past"] if cutter.separate else ["a", "b", "past"]
        wanted = known_then("pqrs"[series], origin, missing)[columns].to_numpy()[-chosen.lookback :]
        seen = found["x"][number][: len(wanted), : len(columns)]
        np.testing.assert_allclose(seen, wanted, rtol=1e-5)
        np.testing.assert_array_equal(
            found["x"][number][len(wanted) :, : len(columns)],
            seen[-1:].repeat(chosen.lookback - len(wanted), axis=0),
        )
        later = RAW["pqrs"[series]][[each for each in columns if each != "past"]]
        later = later.iloc[origin : origin + chosen.horizon]
        np.testing.assert_array_equal(ahead["there"][number], later.notna())


@pytest.mark.parametrize("missing", PANELS)
@pytest.mark.parametrize("season", [1, 4])
def test_the_baseline_knows_no_more(missing: str, season: int) -> None:
    panel = PANELS[missing]
    origins = make_windows(split_panel(panel, SPLIT), window("plain")).test[:] + 6

    found = seasonal_naive(panel, origins, horizon=3, season=season)

    for number, origin in enumerate(origins):
        series = int(np.searchsorted(panel.offsets, origin, side="right")) - 1
        at = int(origin - panel.offsets[series])
        past = known_then("pqrs"[series], at, missing)[["a", "b"]].to_numpy()
        rows = [at - season + step % season for step in range(3)]
        np.testing.assert_allclose(
            found[number], past[[row if row >= 0 else at - 1 for row in rows]], rtol=1e-5
        )


@pytest.mark.parametrize("missing", PANELS)
def test_filled_values_count_neither_in_scaling_nor_in_the_naive_error(missing: str) -> None:
    panel = PANELS[missing]
    parts = split_panel(panel, SPLIT)
    train: dict[str, Any] = {name: one.iloc[:-12] for name, one in RAW.items()}

    scaler = fit_scaler(panel, parts, Scaling())
    errors = naive_error(panel, parts, 1)

    together = pd.concat(train.values())[["a", "b", "past"]]
    np.testing.assert_allclose(scaler.centre[0, :3], together.mean(), rtol=1e-5)
    np.testing.assert_allclose(scaler.spread[0, :3], together.std(ddof=0), rtol=1e-5)
    assert scaler.centre.shape == (1, len(panel.inputs))
    for row, one in zip(errors, train.values(), strict=True):
        np.testing.assert_allclose(row, one[["a", "b"]].diff().abs().mean().fillna(0), rtol=1e-5)
