"""The served model as bytes, in Keras's own format, loaded without running any code in it."""

from __future__ import annotations

import io
import tempfile
import zipfile
import zlib
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
    """Load a model with Keras's safe mode, which refuses any code inside it; or a regressor.

    Raises:
        JobError: the bytes are no Keras model, or one that needs code.
    """
    if _is_regressor(data):
        from jobs.regressor import load_regressor

        return load_regressor(data)
    with tempfile.TemporaryDirectory(prefix="recur-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise JobError(f"model.keras cannot be loaded: {str(error).splitlines()[0][:200]}") from None


def _is_regressor(data: bytes) -> bool:
    """Whether it is skops's format, a ZIP archive as Keras's is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "schema.json" in archive.namelist()
    except zipfile.BadZipFile:
        return False
