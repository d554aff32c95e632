"""The served model as bytes, in Keras's own format, loaded without running any code in it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras

from jobs.errors import JobError


def model_bytes(model: Any) -> bytes:
    """A model in Keras's own ``.keras`` format."""
    with tempfile.TemporaryDirectory(prefix="recur-") as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def load_model(data: bytes) -> Any:
    """Load a model with Keras's safe mode, which refuses any code inside it.

    Raises:
        JobError: the bytes are no Keras model, or one that needs code.
    """
    with tempfile.TemporaryDirectory(prefix="recur-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError, KeyError) as error:
            raise JobError(f"model.keras cannot be loaded: {str(error).splitlines()[0][:200]}") from None
