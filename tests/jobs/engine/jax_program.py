"""What the engine gives on JAX, written to the file named by the argument; runs in a process of its own."""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import jax
import numpy as np

from jobs.engine.backend import backend
from jobs.engine.network import Dropout
from jobs.engine.on_jax import JAX
from jobs.params import LayerParams
from tests.jobs.engine.nets import DROPPING, NETS, ON_JAX, loss_and_gradient
from tests.jobs.listener import task, trained
from tests.jobs.small import params


def networks() -> dict[str, np.ndarray]:
    found = {"backend": np.array([backend(xla=xla) is JAX for xla in (True, False)])}
    for name in ON_JAX:
        found |= {f"{name} {kind}": value for kind, value in loss_and_gradient(NETS[name], JAX).items()}
        found[f"{name} initial"] = NETS[name].network().initial(5)
    half = loss_and_gradient(NETS["instance-6"], JAX, dtype="bfloat16")
    return found | {f"bfloat16 {kind}": value for kind, value in half.items()}


def masks() -> dict[str, np.ndarray]:
    def mask(seed: int, step: int, layer: int) -> np.ndarray:
        rates = jax.numpy.full(3, 0.3)
        chosen = Dropout(rates, (jax.numpy.int32(seed), jax.numpy.int32(step)))
        return np.asarray(DROPPING.network()._dropped(JAX, jax.numpy.ones(20_000), chosen, layer))

    asked = {"first": (1, 0, 0), "again": (1, 0, 0), "seed": (2, 0, 0), "step": (1, 1, 0), "layer": (1, 0, 1)}
    return {f"mask {name}": mask(*given) for name, given in asked.items()}


def trials() -> dict[str, np.ndarray]:
    """A trial at one go and in two pieces, and one without dropout."""
    layers = (LayerParams("gru", 3, "tanh", 0.3),)
    given = task(params(layers=layers, batch_size=8, max_epochs=3, schedule="cosine"))
    whole = trained(given)
    left = trained(given, interrupt_at=8)  # in the second epoch
    rest = trained(given, left.state, known_epochs=1)
    plain = trained(task(params(layers=(LayerParams("lstm", 3, "tanh", 0.0),), max_epochs=3)), at_once=32)
    return {
        "trial whole": np.array(str(whole.told())),
        "trial pieces": np.array(str(left.told() + rest.told())),
        "trial epochs": np.array([len(run.reports) for run in (whole, left, rest)]),
        "trial same bits": np.array(whole.arrays() == rest.arrays()),
        "trial losses": np.array([report.metrics["val_loss"] for report in plain.reports]),
    }


if __name__ == "__main__":
    np.savez(sys.argv[1], **networks(), **masks(), **trials())
