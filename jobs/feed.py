"""Batches for Keras's ``fit``: windows are gathered from the shared rows by index, a batch at a time.

Each epoch's order depends on the trial's seed and the epoch's number alone, so a resumed trial goes on with
the very batches it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from jobs.panel import Indices, Rows

EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Feed:
    """What every batch of a trial is made from.

    Attributes:
        rows: (steps, columns) raw values of the panel.
        lookback, horizon, targets: sizes of a window; targets are the first columns.
        target_mean, target_deviation: (targets,) what the loss's targets are scaled by.
    """

    rows: Rows
    lookback: int
    horizon: int
    targets: int
    target_mean: Any
    target_deviation: Any

    def gather(self, starts: Indices) -> tuple[Rows, Rows]:
        """Raw inputs (batch, lookback, columns) and scaled targets (batch, horizon, targets)."""
        inputs = self.rows[starts[:, None] + np.arange(self.lookback)]
        ahead = starts[:, None] + np.arange(self.lookback, self.lookback + self.horizon)
        targets = (self.rows[ahead][:, :, : self.targets] - self.target_mean) / self.target_deviation
        return inputs, targets.astype(np.float32)


def training_batches(feed: Feed, starts: Indices, *, batch_size: int, seed: int, first_epoch: int) -> Any:
    """An endless stream of batches for ``fit(steps_per_epoch=steps(...))``, shuffled anew each epoch."""

    def shuffled() -> Iterator[tuple[Rows, Rows]]:
        epoch = first_epoch
        while True:
            order = np.random.default_rng([seed, epoch]).permutation(starts)
            yield from map(feed.gather, np.split(order, range(batch_size, len(order), batch_size)))
            epoch += 1

    return _tensorflow_stream(feed, shuffled, None) if _on_tensorflow() else shuffled()


def evaluation_batches(feed: Feed, starts: Indices) -> Any:
    """All windows once, in order, in few large batches."""
    chunks = np.split(starts, range(EVALUATION_BATCH, len(starts), EVALUATION_BATCH))
    if _on_tensorflow():
        return _tensorflow_stream(feed, lambda: map(feed.gather, chunks), len(chunks))
    return _Chunks(feed, chunks)


def steps(windows: int, batch_size: int) -> int:
    """Batches in one pass over ``windows``."""
    return -(-windows // batch_size)


def _on_tensorflow() -> bool:
    return bool(keras.backend.backend() == "tensorflow")


def _tensorflow_stream(
    feed: Feed, batches: Callable[[], Iterator[tuple[Rows, Rows]]], count: int | None
) -> Any:
    """A ``tf.data`` pipeline of ``count`` batches (None: endlessly many) without its autotuner."""
    import tensorflow as tf

    columns = feed.rows.shape[1]
    signature = (
        tf.TensorSpec((None, feed.lookback, columns), tf.float32),
        tf.TensorSpec((None, feed.horizon, feed.targets), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    cardinality = tf.data.INFINITE_CARDINALITY if count is None else count
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread is waited for at the end of every epoch
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    return dataset.with_options(options).prefetch(2)


class _Chunks(keras.utils.PyDataset):
    """The form in which the other backends take batches that are gone through more than once."""

    def __init__(self, feed: Feed, chunks: list[Indices]) -> None:
        super().__init__()
        self._feed, self._chunks = feed, chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> tuple[Rows, Rows]:
        return self._feed.gather(self._chunks[index])
