"""Which networks a GPU runs by cuDNN's kernels of whole recurrences, and why others are slower there."""

from __future__ import annotations

from jobs.built import Built
from jobs.dimensions import Dimension
from jobs.modelspec import Model
from jobs.params import NetworkParams
from jobs.spec import Job


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
    """What of a job's choices makes networks that cuDNN has no kernels for, by field; not of a user's own."""
    model, found = job.model, []
    if isinstance(model, Built):
        return []
    lacking = {"simple_rnn", "gru"} if job.backend == "jax" else {"simple_rnn"}
    layers = dict(enumerate(model.layers)) if isinstance(model.layers, tuple) else {}
    for name in ("cell", "activation"):
        own = {f"model.layers.{index}.{name}": getattr(layer, name) for index, layer in layers.items()}
        if not own or None in own.values():  # some layer takes the model's
            own[f"model.{name}"] = getattr(model, name)
        for field, value in own.items():
            wrong = [v for v in _values(value) if (v in lacking if name == "cell" else v != "tanh")]
            found += [f"{field}: {each}" for each in wrong]
    if "gru" not in lacking and "gru" in _cells(job) and False in _values(model.reset_after):
        found.append("model.reset_after: false")
    return found


def _cells(job: Job) -> set[object]:
    """Every cell that some layer may have."""
    model = job.model
    assert isinstance(model, Model), "asked of stacks of layers"  # noqa: S101
    if not isinstance(model.layers, tuple):
        return set(_values(model.cell))
    return {
        cell for layer in model.layers for cell in _values(model.cell if layer.cell is None else layer.cell)
    }


def _values(field: object) -> list[object]:
    if isinstance(field, Dimension):
        return list(field.probes())
    return [] if field is None else [field]
