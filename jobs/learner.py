"""One trial's network in training: its weights and optimizer, and what an epoch does to them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np

from jobs.checkpoint import model_bytes
from jobs.cudnn import off_cudnn
from jobs.cut import Cutter
from jobs.engine.kernels import KernelNetwork
from jobs.engine.network import Network
from jobs.engine.programs import evaluation_program, fresh_state, training_program
from jobs.engine.shape import Batches, Shape
from jobs.engine.window import NORMALISE
from jobs.errors import JobError
from jobs.feed import LARGEST_EVALUATED, Feed, Order, batches_of
from jobs.forecaster import build_forecaster
from jobs.models import set_weights
from jobs.panel import Indices, Panel
from jobs.params import NetworkParams, Params
from jobs.scaling import Scaler
from jobs.stopwatch import clocked
from jobs.trainstate import Arrays
from jobs.warm import fit

_XLA_PAYS = 60_000  # steps of a recurrence, from where on XLA's speed outweighs its compilation
_XLA_PAYS_EVALUATING = 8_000  # the batches are larger, and there is only half a program to compile
_CALL_SECONDS = 0.5  # that one call may take, so that a trial leaves soon when asked to

Rates = Callable[[int, int], Any]


class Ask(Protocol):
    """Called after every few batches, by one who is alive unless it says otherwise; may raise to leave."""

    def __call__(self, *, alive: bool = True) -> None:
        """Ask."""


@dataclass(frozen=True)
class Pass:
    """What training on some windows found: the mean loss, and the largest and the mean norm of a gradient.

    These are NaN where they are not ``watched``: networks of users' own are trained by Keras.
    """

    loss: float
    largest_gradient: float
    mean_gradient: float
    watched: bool = True


@dataclass(frozen=True)
class Validation:
    """Mean loss and errors, in scaled units; and the share of ReLU units that gave nothing but zeros."""

    loss: float
    mse: float
    mae: float
    dead_units: float

    def values(self) -> tuple[float, float, float, float]:
        """All of them, in this order."""
        return self.loss, self.mse, self.mae, self.dead_units


class NothingMoreError(Exception):
    """There is no next epoch, though the last one did not say so."""


class Learner:
    """Weights and optimizer state, and the programs that move them on.

    Attributes:
        over: whether there is no next epoch, whatever the job says.
        seconds: spent on what.
    """

    over = False

    def __init__(  # noqa: PLR0913 - what it trains, and how
        self,
        params: Params,
        panel: Panel,
        scaler: Scaler,
        seed: int,
        *,
        evaluation_batch: int = LARGEST_EVALUATED,
        gpu: bool = False,
        warm: Arrays | None = None,
    ) -> None:
        """Begin with fresh weights, or with ``warm`` ones where they fit.

        On a ``gpu`` cuDNN does what it has kernels for, and XLA the rest.
        """
        chosen = params.train
        fused = gpu and off_cudnn(params.network, keras.backend.backend()) is None
        cutter = Cutter(panel, params.window, separate=params.window.channel_independent)
        network = network_of(KernelNetwork if fused else Network, params, cutter)
        self._params, self._gpu = params, gpu
        self._feed = Feed(cutter, scaler)
        self._layers = params.network.layers
        self._optimizer = chosen.optimizer
        self._training = self._shape(network, params, chosen.batch_size)
        # Only the last step's forecast is served, so that alone is what is validated.
        self._evaluation = self._shape(replace(network, sequence=False), params, evaluation_batch)
        self._given = {
            "rates": np.array([layer.dropout for layer in self._layers], np.float32),
            "seed": np.int32(seed),
            "clip": np.float32(math.inf if chosen.clip_norm is None else chosen.clip_norm),
        }
        fresh = fresh_state(network, self._optimizer)
        begins = network.initial(seed)
        if warm is not None and fit(warm, network.shapes()):
            begins = np.concatenate([np.ravel(weight) for weight in warm])
        self._arrays: list[Any] = [begins, *fresh]
        self._at_once = self._training.capacity
        self.seconds: dict[str, float] = {}

    def _shape(self, network: Network, params: Params, batch: int) -> Shape:
        chosen, masked = params.train, self._feed.cutter.panel.masks > 0
        capacity = self._feed.capacity(batch)
        return Shape(network, chosen.loss, chosen.quantile, batch, capacity, xla=False, masked=masked)

    @property
    def arrays(self) -> Arrays:
        """Copies of the weights, one flat vector, and of the optimizer's state."""
        return [np.array(keras.ops.convert_to_numpy(array)) for array in self._arrays]

    @arrays.setter
    def arrays(self, saved: Arrays) -> None:
        if [array.shape for array in saved] != [tuple(array.shape) for array in self._arrays]:
            raise JobError("a trial's saved state belongs to another network; the trial starts over")
        self._arrays = list(saved)

    def weights(self, flat: np.ndarray[Any, Any]) -> Arrays:
        """A flat vector as the weights of the Keras model, in its order."""
        shapes = self._training.network.shapes()
        cut = np.split(flat, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        return [each.reshape(shape) for each, shape in zip(cut, shapes, strict=True)]

    def saved_model(self, flat: np.ndarray[Any, Any]) -> bytes:
        """The served model with these weights, one flat vector."""
        model = build_forecaster(self._params, self._feed.scaler, self._feed.cutter.panel)
        set_weights(model, self.weights(flat))
        return model_bytes(model)

    def close(self) -> None:
        """Nothing is held."""

    def expect(self, training: int, validation: int) -> None:
        """Choose and compile the programs for so many windows to train on and to evaluate.

        Only the work that is given decides, never what happens to be compiled already: plain graphs and XLA's
        programs differ in the last digits, and a trial must be the same wherever and whenever it runs.
        """
        self._training = self._chosen(self._training, training, _XLA_PAYS)
        self._evaluation = self._chosen(self._evaluation, validation, _XLA_PAYS_EVALUATING)
        with self.clock("compile"):
            training_program(self._training, self._optimizer).prepare(self._arrays, self._given)
            evaluation_program(self._evaluation).prepare(self._arrays[0])

    def _chosen(self, shape: Shape, windows: int, pays: int) -> Shape:
        if self._gpu or keras.backend.backend() == "jax":  # there is nothing else, or nothing that is as fast
            return replace(shape, xla=not isinstance(shape.network, KernelNetwork))
        steps = batches_of(windows, shape.batch) * shape.network.lookback * len(self._layers)
        return replace(shape, xla=steps >= pays)

    def train(self, starts: Order, rates: Rates, ask: Ask) -> Pass:
        """Train on the windows that begin at ``starts``, in their order.

        Args:
            starts: (windows,), sliced as it is needed.
            rates: (number of the first step, steps) to the learning rates of these steps.
            ask: called after every few batches; may raise to leave.

        Returns:
            What was found; it ends early when a loss is not finite.
        """
        shape = self._training
        program = training_program(shape, self._optimizer)
        losses, weights, norms = [], [], []
        for piece in self._pieces(starts, shape.batch):
            with self.clock("data"):
                batches = self._gathered(piece, shape)
                first, count = self.steps(), batches_of(len(piece), shape.batch)
                learning_rates = np.resize(np.asarray(rates(first, count), np.float32), shape.capacity)
            began = time.perf_counter()
            with self.clock("train"):
                given = self._given | {"learning_rates": learning_rates, "step": first}
                self._arrays, loss, norm = program(self._arrays, batches, count, given)
            self._pace((time.perf_counter() - began) / count)
            weights.append(_weights(batches)[:count])
            losses.append(loss.astype(np.float64) @ weights[-1])
            norms.append(norm)
            if not math.isfinite(losses[-1]):
                break
            ask()
        found = np.concatenate(norms)
        total = float(np.concatenate(weights).sum()) if math.isfinite(losses[-1]) else math.nan
        return Pass(
            float(np.sum(losses)) / total if total else math.nan, float(found.max()), float(found.mean())
        )

    def steps(self) -> int:
        """Steps that the optimizer has done."""
        return int(self._arrays[1])

    def _gathered(self, starts: Indices, shape: Shape) -> Batches:
        return self._feed.gather(
            starts, batch=shape.batch, capacity=shape.capacity, sequence=shape.network.sequence
        )

    def _pieces(self, starts: Order, batch: int) -> Iterator[Indices]:
        begin = 0
        while begin < len(starts):
            end = begin + batch * self._at_once
            yield starts[begin:end]
            begin = end

    def _pace(self, seconds: float) -> None:
        self._at_once = max(1, min(self._training.capacity, int(_CALL_SECONDS / max(seconds, 1e-9))))

    def evaluate(self, starts: Order, ask: Ask) -> Validation:
        """Evaluate the windows that begin at ``starts``; ``ask`` is called after every few batches."""
        shape = self._evaluation
        program = evaluation_program(shape)
        totals, largest = np.zeros(4), -np.inf
        size = shape.batch * shape.capacity
        for begin in range(0, len(starts), size):
            piece = starts[begin : begin + size]
            with self.clock("data"):
                batches = self._gathered(piece, shape)
            with self.clock("validate"):
                sums, outputs = program(self._arrays[0], batches, batches_of(len(piece), shape.batch))
            totals, largest = totals + sums, np.maximum(largest, outputs)
            ask()
        loss, mse, mae = (totals[:3] / totals[3]).tolist() if totals[3] else [math.nan] * 3
        return Validation(
            loss, mse, mae, dead_units=float(np.mean(largest <= 0)) if np.size(largest) else 0.0
        )

    def clock(self, kind: str) -> AbstractContextManager[None]:
        """Add what is done inside to the seconds of that kind."""
        return clocked(self.seconds, kind)


def _weights(batches: Batches) -> Any:
    """What each batch counts: the values that are there, or its windows where all are."""
    if "there" not in batches:
        return batches["valid"]
    return batches["there"].sum(axis=(1, 2, 3), dtype=np.float64)


def network_of(kind: type[Network], params: Params, cutter: Cutter) -> Network:
    """The shape of the network that such windows ask for."""
    window = params.window
    normalise = NORMALISE.get(window.scale, "none")
    return kind(
        _without_rates(params.network),
        window.lookback,
        cutter.inputs,
        window.horizon,
        cutter.targets,
        known=cutter.panel.known,
        normalise=normalise,
        own=cutter.known.start if normalise != "none" else 0,
        sequence=window.output == "sequence",
        padded=window.padded,
        dtype="bfloat16" if params.train.precision == "mixed_bfloat16" else "float32",
    )


def _without_rates(network: NetworkParams) -> NetworkParams:
    """Of each layer's dropout only whether there is any: networks that differ in its rate share programs."""
    layers = (replace(layer, dropout=1.0 if layer.dropout > 0 else 0.0) for layer in network.layers)
    return replace(network, layers=tuple(layers))
