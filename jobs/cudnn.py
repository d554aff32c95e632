"""Which networks a GPU runs by cuDNN's kernels of whole recurrences, and why others are slower there."""

from __future__ import annotations

from jobs.dimensions import Dimension
from jobs.params import NetworkParams
from jobs.spec import Job, Layer


def off_cudnn(network: NetworkParams, backend: str) -> str | None:
    """Why a network cannot run by cuDNN's kernels, in words; None if it can.

    The conditions are those of Keras's layers on TensorFlow; on JAX they use cuDNN for LSTM only.
    """
    reasons = []
    for number, layer in enumerate(network.layers, 1):
        if layer.cell == "simple_rnn" or (layer.cell == "gru" and backend == "jax"):
            reasons.append(f"layer {number} is a {layer.cell}")
        elif layer.activation != "tanh":
            reasons.append(f"layer {number} has activation {layer.activation}")
        elif layer.cell == "gru" and not network.reset_after:
            reasons.append(f"layer {number} is a gru with reset_after: false")
    return ", ".join(reasons) or None


def choices_off_cudnn(job: Job) -> list[str]:
    """What of a job's choices makes networks that cuDNN has no kernels for, by field."""
    model, found = job.model, []
    lacking = {"simple_rnn", "gru"} if job.backend == "jax" else {"simple_rnn"}
    sections: list[tuple[str, Layer]] = [("model", Layer(cell=model.cell, activation=model.activation))]
    if isinstance(model.layers, tuple):
        sections += [(f"model.layers.{index}", layer) for index, layer in enumerate(model.layers)]
    for name, layer in sections:
        found += [f"{name}.cell: {cell}" for cell in _values(layer.cell) if cell in lacking]
        found += [f"{name}.activation: {each}" for each in _values(layer.activation) if each != "tanh"]
    if "gru" not in lacking and False in _values(model.reset_after):
        found.append("model.reset_after: false")
    return found


def _values(field: object) -> list[object]:
    if isinstance(field, Dimension):
        return list(field.probes())
    return [] if field is None else [field]
