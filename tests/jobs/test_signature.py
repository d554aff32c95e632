"""What a signature says of a model, and what is read out of it again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.dataspec import Data, Split
from jobs.parts import split_panel
from jobs.scaling import Scaling, fit_scaler
from jobs.signature import categories_of, input_of, known_columns, signature_of, window_of
from tests.jobs.layouts import WINDOWS, rich_panel, window

DATA = Data(path="d", time="t", series="id", target=("a", "b"), past=("past",))
PANEL = rich_panel()


@pytest.mark.parametrize("name", WINDOWS)
def test_every_input_is_named_with_its_columns_and_shape(name: str) -> None:
    chosen = window(name)
    scaler = fit_scaler(PANEL, split_panel(PANEL, Split()), Scaling.of(chosen))

    found = signature_of(DATA, PANEL, chosen, scaler)

    columns = [*PANEL.columns, *PANEL.statics]
    names = [each["name"] for each in found["inputs"]]
    wanted = ["values", "future", *(["length"] if chosen.padded else [])]
    assert names == wanted + (["centre", "spread"] if chosen.scale_by == "series" else [])
    for each in found["inputs"]:
        if each["name"] in {"values", "centre", "spread"}:
            assert each["columns"] == columns
            assert each["shape"][-1] == len(columns)
    assert input_of(found, "future") == {
        "name": "future",
        "columns": ["price", "rain", "calendar.hour_sin"],
        "shape": [None, chosen.horizon, 3],
        "dtype": "float32",
    }
    assert input_of(found, "nothing") is None
    assert (found["powers"] is None) == (chosen.transform == "none")
    again = window_of(found)
    sizes = (again.lookback, again.horizon, again.padded)
    assert sizes == (chosen.lookback, chosen.horizon, chosen.padded)


def test_categories_are_those_of_columns_that_hold_texts() -> None:
    scaler = fit_scaler(PANEL, split_panel(PANEL, Split()), Scaling())
    found = signature_of(DATA, PANEL, window("plain"), scaler)

    assert categories_of(found, ("size", "kind")) == (("kind", ("x", "y")),)
    assert known_columns(PANEL) == ["price", "rain", "calendar.hour_sin"]
    assert known_columns(replace(PANEL, known=0)) == []
