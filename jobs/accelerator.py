"""The GPU of a training process: the share of its memory, and what is said when that is not enough."""

from __future__ import annotations

import os

from jobs.errors import JobError

_EXHAUSTED = (
    "ResourceExhaustedError",
    "RESOURCE_EXHAUSTED",
    "ALLOC_FAILED",
    "OUT_OF_MEMORY",
    "OOM when allocating",
)
_OF_THE_NODE = ("MemoryError", "Unable to allocate")
_INSTALL = {"tensorflow": "recur-tune[gpu]", "jax": "jax[cuda12]"}


def announce_limit(pool: int, card: int) -> None:
    """Have JAX take ``pool`` of the ``card``'s bytes and no more; to be called before it is imported."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "true"
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{pool / card:.4f}"


def limit_memory(pool: int) -> None:
    """Have the backend take ``pool`` bytes of the GPU and no more; before its first operation.

    TensorFlow is told here, JAX had to be told before (``announce_limit``).

    Raises:
        JobError: it sees no GPU, though the process does.
    """
    import keras

    backend = keras.backend.backend()
    seen = _limited_tensorflow(pool) if backend == "tensorflow" else _seen_by_jax()
    if not seen:
        raise JobError(
            f"resources.gpu: {backend} sees no GPU in this environment, though there is one; install it "
            f"for CUDA: pip install '{_INSTALL[backend]}'"
        )


def _limited_tensorflow(pool: int) -> bool:
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    for card in cards:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=pool >> 20)
        tf.config.set_logical_device_configuration(card, [limit])
    return bool(cards)


def _seen_by_jax() -> bool:
    import jax

    return bool(jax.default_backend() == "gpu")


def exhausted(error: BaseException | None, *, gpu: bool) -> bool:
    """Whether it, or what it came of, says that memory ran out: the node's or, on a ``gpu``, the card's."""
    words = _EXHAUSTED if gpu else _EXHAUSTED + _OF_THE_NODE
    while error is not None:
        said = f"{type(error).__name__}: {error}"
        if any(word in said for word in words):
            return True
        error = error.__cause__ or error.__context__
    return False
