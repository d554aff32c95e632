"""What a served model takes and gives, as ``best/signature.json`` says it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobs.dataspec import Data
from jobs.panel import Panel
from jobs.params import WindowParams
from jobs.scaling import Scaler, Scaling

Signature = dict[str, Any]


def signature_of(data: Data, panel: Panel, window: WindowParams, scaler: Scaler) -> Signature:
    """Of a model for such a panel, windows and scaling: inputs by name, their columns in order; outputs."""
    columns = list(panel.inputs)
    inputs = [_array("values", [None, window.lookback, len(columns)], columns)]
    if panel.known:
        inputs.append(_array("future", [None, window.horizon, panel.known], known_columns(panel)))
    if window.padded:
        inputs.append(_array("length", [None], dtype="int32"))
    if Scaling.of(window).by_series:
        inputs += [_array(name, [None, len(columns)], columns) for name in ("centre", "spread")]
    targets = list(panel.columns[: panel.targets])
    return {
        "inputs": inputs,
        "outputs": [_array(None, [None, window.horizon, panel.targets], targets)],
        "scaling": asdict(Scaling.of(window)),
        "powers": None if scaler.powers is None else scaler.powers.to_json(),
        "time": data.time,
        "series": data.series,
        "time_type": panel.time_type,
        "step": panel.step(),
        "frequency": panel.frequency(),
    }


def known_columns(panel: Panel) -> list[str]:
    """The columns that are known ahead."""
    stop = len(panel.columns) - panel.masks
    return list(panel.columns[stop - panel.known : stop])


def _array(
    name: str | None, shape: list[int | None], columns: list[str] | None = None, dtype: str = "float32"
) -> dict[str, Any]:
    found = {} if name is None else {"name": name}
    return found | ({} if columns is None else {"columns": columns}) | {"shape": shape, "dtype": dtype}


def input_of(signature: Signature, name: str) -> dict[str, Any] | None:
    """The input of that name, if the model has it."""
    return next((each for each in signature["inputs"] if each["name"] == name), None)


def window_of(signature: Signature) -> WindowParams:
    """The windows that the model takes; scaling is its own."""
    _, lookback, _ = signature["inputs"][0]["shape"]
    _, horizon, _ = signature["outputs"][0]["shape"]
    return WindowParams(lookback, horizon, 1, 1, "none", padded=input_of(signature, "length") is not None)


def categories_of(signature: Signature, static: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Of each static column that holds texts, the categories that the model knows."""
    features = signature["inputs"][0]["columns"]
    found = {
        column: tuple(name.removeprefix(f"{column}=") for name in features if name.startswith(f"{column}="))
        for column in static
    }
    return tuple((column, categories) for column, categories in found.items() if categories)
