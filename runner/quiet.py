"""Starting Keras inside a command without its chatter."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from jobs.lean import lean_imports


def start_keras(backend: str) -> None:
    """Import Keras on a backend; what TensorFlow's libraries print while they load goes nowhere."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    with _stderr_nowhere():
        with lean_imports() if backend == "tensorflow" else nullcontext():
            import keras

        keras.Variable(0.0)  # the first tensor makes the backend look for its devices


@contextmanager
def spare_keras() -> Iterator[None]:
    """Imports that need Keras but compute nothing with it get it cheaply, unless it is there already.

    That is on NumPy, which Keras completes with JAX, or else on TensorFlow, which is always there.
    """
    backend = "numpy" if importlib.util.find_spec("jax") else "tensorflow"
    spare = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend}
    usual = {name: os.environ.get(name) for name in spare}
    os.environ |= spare
    try:
        with _stderr_nowhere():
            yield
    finally:
        for name, value in usual.items():  # what is started from here chooses for itself
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _stderr_nowhere() -> Iterator[None]:
    """C++ libraries write to the descriptor, so it is the descriptor that is turned away."""
    usual, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(usual, 2)
        os.close(usual)
        os.close(nowhere)
