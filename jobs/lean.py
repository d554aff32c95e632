"""Importing Keras without what it looks for and nothing here uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow looks for JAX to convert its programs to TFLite, and for SciPy's matrices in its old Keras;
# today's Keras looks for scikit-learn to wrap models in its classes.
_PACKAGES = ("jax", "scipy", "sklearn")


@contextmanager
def lean_imports() -> Iterator[None]:
    """What is imported inside does not find JAX, SciPy and scikit-learn; what is imported afterwards does.

    Keras on TensorFlow starts in three quarters of the time.  Its wrappers for scikit-learn stay without it,
    so this is not for processes that run code of users.
    """
    hidden = [name for name in _PACKAGES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is what an import gives up at
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
