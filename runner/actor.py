"""What Ray Tune runs: an actor that owns a warm training process."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import Any

from ray.tune import Trainable

from cluster.memory import node_bytes
from runner.owner import Limits, Owner
from runner.process import WorkerProcess

_MOST = 0.8  # of the node's memory, that all training processes together may take


class LegRunner(Trainable):
    """The actor: a thin shell round the owner of a warm training process."""

    process = WorkerProcess

    def setup(self, config: dict[str, Any]) -> None:
        """Start the process; its first leg begins with the first step.

        Not here: Tune throws a starting actor away, and uses another, when one falls free meanwhile.
        """
        start, limits = partial(self.process, **config["process"]), Limits(**config["limits"])
        if limits.memory is None:  # its share of this node's, which may not be the driver's
            share = config["process"]["threads"] / (os.cpu_count() or 1)
            limits = replace(limits, memory=int(_MOST * node_bytes() * min(1.0, share)))
        self._owner = Owner(start, limits)
        self._next: dict[str, Any] | None = config
        self._leaves = False

    def take_up(self, config: dict[str, Any]) -> None:
        """The leg that the next step begins; the present one was decided on.

        Nothing is done here: what goes wrong in a step reaches Tune.
        """
        self._next = config

    def leave(self) -> None:
        """Have the leg save and leave, and hear it to its end; the next step begins it."""
        self._leaves = True

    def step(self) -> dict[str, Any]:
        """All that the leg has said since the last step, or a heartbeat: Tune's price is for each step."""
        if self._next is not None:
            self._owner.change(self._next["order"])
            self._next = None
        if self._leaves:
            self._owner.leave()
            self._leaves = False
        return {"messages": json.dumps(self._owner.listen())}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another Tune trial's first leg in the same process."""
        self._next = new_config
        return True

    def cleanup(self) -> None:
        """Let an open leg save and leave, then end the process."""
        self._owner.close()
