"""The windows of a job as a user's function is told of them and may look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.feed import Feed, Order


@dataclass(frozen=True)
class Shapes:
    """What ``build(hp, shapes)`` is told of the windows.

    Attributes:
        lookback: steps that a window shows.
        columns: names of its columns, the targets first.
        horizon: steps to forecast.
        targets: names of what is forecast.
    """

    lookback: int
    columns: tuple[str, ...]
    horizon: int
    targets: tuple[str, ...]

    @property
    def input(self) -> tuple[int, int]:
        """Of a window: (lookback, columns)."""
        return self.lookback, len(self.columns)

    @property
    def output(self) -> tuple[int, ...]:
        """Of a forecast: (horizon,), or (horizon, targets) where there are several."""
        return (self.horizon,) if len(self.targets) == 1 else (self.horizon, len(self.targets))


class Material:
    """The windows that a function may look at, and their shapes."""

    def __init__(self, feed: Feed, train: Order, validation: Order) -> None:
        """Nothing is gathered before it is asked for."""
        self.feed, self.train, self.validation = feed, train, validation
        self._gathered: dict[str, tuple[Any, Any]] = {}

    @property
    def shapes(self) -> Shapes:
        """Of the windows."""
        panel, window = self.feed.cutter.panel, self.feed.cutter.window
        return Shapes(window.lookback, panel.inputs, window.horizon, panel.columns[: panel.targets])

    def windows(self, part: str) -> tuple[Any, Any]:
        """All of ``train`` or ``validation``, scaled: (windows, lookback, columns) and (windows, *output)."""
        if part not in self._gathered:
            order = self.train if part == "train" else self.validation
            found = self.feed.gather(order[: len(order)], batch=max(1, len(order)), capacity=1)
            self._gathered[part] = found["x"][0], found["y"][0].reshape(-1, *self.shapes.output)
        return self._gathered[part]
