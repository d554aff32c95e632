"""What a program is compiled for, and what it makes of the batches that it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from jobs.engine.network import Network
from jobs.engine.window import Window

Batches = dict[str, Any]
Functions = tuple[Callable[[Any], Any], ...]


@dataclass(frozen=True)
class Shape:
    """Everything that a program is compiled for; trials that agree in it share the program.

    Attributes:
        network: its shape.
        loss, quantile: see ``losses``.
        batch: windows of a batch.
        capacity: batches that one call takes at most.
        xla: compile by XLA, rather than run a plain graph where the backend has such.
        masked: some of what is to be forecast may not be there.
    """

    network: Network
    loss: str
    quantile: float
    batch: int
    capacity: int
    xla: bool
    masked: bool = False

    def window(self, batches: Batches, i: Any) -> Window:
        """The windows of batch ``i``."""
        return Window(batches["x"][i], *(_of(batches, name, i) for name in ("ahead", "length")))

    def actual(self, batches: Batches, i: Any) -> Any:
        """What is to be forecast from them: see ``Network.loss_and_gradient``."""
        return self.network.unfold(batches["y"][i]) if self.network.sequence else batches["y"][i]

    def real(self, batches: Batches, i: Any) -> Any:
        """Which windows of batch ``i`` are any, (batch,)."""
        return ops.arange(self.batch) < batches["valid"][i]

    def counted(self, batches: Batches, i: Any) -> Any | None:
        """1 for what there is of ``actual``, else 0; None if everything is there."""
        network, counted = self.network, _of(batches, "there", i)
        if not network.sequence:
            return counted
        if counted is not None:
            counted = network.unfold(counted)
        if not network.padded:
            return counted
        inside = ops.expand_dims(self.window(batches, i).inside(), -1)
        return inside if counted is None else inside * counted

    def alone(self, batches: Batches, i: int) -> Batches:
        """The windows of batch ``i`` that are any, as the only batch."""
        valid = batches["valid"][i : i + 1]
        some = {name: each[i : i + 1, : valid[0]] for name, each in batches.items() if name != "valid"}
        return some | {"valid": valid}

    def nothing(self) -> Batches:
        """No batches: a call with them only compiles."""
        network, both = self.network, (self.capacity, self.batch)
        ahead = network.horizon + (network.lookback - 1 if network.sequence else 0)
        found = {
            "x": np.zeros((*both, network.lookback, network.inputs), np.float32),
            "y": np.zeros((*both, ahead, network.targets), np.float32),
            "valid": np.zeros(self.capacity, np.int32),
        }
        if network.known:
            found["ahead"] = np.zeros((*both, ahead, network.known), np.float32)
        if network.padded:
            found["length"] = np.zeros(both, np.int32)
        if self.masked:
            found["there"] = np.zeros((*both, ahead, network.targets), np.float32)
        return found


def _of(batches: Batches, name: str, i: Any) -> Any | None:
    return batches[name][i] if name in batches else None


def sums(functions: Functions, error: Any, counted: Any | None, real: Any) -> tuple[Any, ...]:
    """Of each function of the error the mean over a window's values, summed over the windows.

    Args:
        functions: elementwise.
        error: (batch, …), forecast minus actual.
        counted: 1 for the values that count, else 0, shaped as ``error`` or so that it broadcasts; None: all.
        real: 1 for the windows that are any, else 0, (batch,).

    Returns:
        A sum for each function, and that of the windows' weights: their number, if all values count.
    """
    axes = tuple(range(1, len(error.shape)))
    found = [function(error) for function in functions]
    if counted is None:
        weights = real
    else:
        found = [each * counted for each in found]
        weights = ops.mean(ops.broadcast_to(counted, error.shape), axis=axes) * real
    return *(ops.sum(ops.mean(each, axis=axes) * real) for each in found), ops.sum(weights)
