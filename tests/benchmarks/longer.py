"""Longer trials: GRU(64) x 2, lookback 96, epochs of 16 k windows: Recur's engine against Keras ``fit``.

Run as ``python -m tests.benchmarks.longer [--epochs 20] [--trials 2]``.

As many trials run at a time as there are cores.  Recur gives each a process of its own and one thread, as
``recur run`` does; Keras's ``fit`` on NumPy windows trains one network at a time with all cores, as its users
do, and, as a second peer, one in each of as many processes with one thread.  Both train on the same windows
with the same optimizer and validate after each epoch; imports and data are not counted, compilation is.
Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from runner.process import environment

WINDOWS, VALIDATION, LOOKBACK, HORIZON, COLUMNS, UNITS, BATCH = 16_384, 2_048, 96, 24, 7, 64, 64


def rows() -> Any:
    """One series long enough for all windows."""
    steps = np.arange(WINDOWS + VALIDATION + 2 * (LOOKBACK + HORIZON))
    waves = np.sin(steps[:, None] / 12 + np.arange(COLUMNS))
    return (waves + np.random.default_rng(7).normal(scale=0.3, size=waves.shape)).astype(np.float32)


def recur(epochs: int, seed: int) -> float:
    """Seconds of the epochs, by Recur's engine."""
    os.environ.update(environment(backend="tensorflow", threads=1))
    from jobs.learner import Learner
    from jobs.panel import Panel
    from jobs.params import LayerParams, NetworkParams, Params, TrainParams, WindowParams
    from jobs.schedules import constant
    from tests.benchmarks._panel import unscaled

    layers = (LayerParams("gru", UNITS, "tanh", 0.0),) * 2
    params = Params(
        WindowParams(LOOKBACK, HORIZON, 1, 1, "none"),
        NetworkParams(layers, reset_after=True, output_activation="linear"),
        TrainParams("adam", 1e-3, "mse", BATCH, epochs, None, 0.0, "val_loss"),
    )
    data = rows()
    names = tuple(f"c{index}" for index in range(COLUMNS))
    offsets = np.array([0, len(data)])
    panel = Panel(names, 1, data, np.arange(len(data)), offsets, (None,), "int64")
    learner = Learner(params, panel, unscaled(panel), seed)
    began = time.perf_counter()
    learner.expect(epochs * WINDOWS, epochs * VALIDATION)
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(WINDOWS)
        learner.train(order, lambda _first, count: constant(1e-3, count), lambda: None)
        learner.evaluate(np.arange(WINDOWS, WINDOWS + VALIDATION), lambda: None)
    return time.perf_counter() - began


def keras_fit(epochs: int, seed: int) -> float:
    """Seconds of the epochs, by Keras's own ``fit`` on NumPy."""
    import keras

    keras.utils.set_random_seed(seed)
    data = rows()
    starts = np.arange(WINDOWS + VALIDATION)
    x = data[starts[:, None] + np.arange(LOOKBACK)]
    y = data[starts[:, None] + np.arange(LOOKBACK, LOOKBACK + HORIZON), 0]
    layers = [keras.layers.GRU(UNITS, return_sequences=True), keras.layers.GRU(UNITS)]
    model = keras.Sequential([keras.Input((LOOKBACK, COLUMNS)), *layers, keras.layers.Dense(HORIZON)])
    model.compile(optimizer="adam", loss="mse")
    began = time.perf_counter()
    held = (x[WINDOWS:], y[WINDOWS:])
    model.fit(x[:WINDOWS], y[:WINDOWS], batch_size=BATCH, epochs=epochs, validation_data=held, verbose=0)
    return time.perf_counter() - began


def _together(what: str, epochs: int, trials: int, threads: int | None) -> float:
    """Seconds that so many trials at a time took: the slowest's."""
    count = {} if threads is None else {name: str(threads) for name in _THREADS}
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""} | count
    command = [sys.executable, "-m", "tests.benchmarks.longer", "--one", what, "--epochs", str(epochs)]
    children = [
        subprocess.Popen([*command, "--seed", str(seed)], env=env, stdout=subprocess.PIPE, text=True)
        for seed in range(trials)
    ]
    found = [child.communicate()[0] for child in children]
    return max(float(json.loads(text.splitlines()[-1])) for text in found)


_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def main() -> None:
    """Run the systems one after the other and print windows a second and ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.longer", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--one", choices=["recur", "keras"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one = {"recur": recur, "keras": keras_fit}[arguments.one]
        print(json.dumps(one(arguments.epochs, arguments.seed)))
        return
    cores, epochs = os.cpu_count() or 1, arguments.epochs
    work = WINDOWS * epochs
    ours = cores * work / _together("recur", epochs, cores, 1)
    print(f"GRU({UNITS}) x 2, lookback {LOOKBACK}, {epochs} epochs of {WINDOWS} windows, {cores} cores")
    print(f"{'Recur, a trial a core':<44}{ours:>9.0f} windows/s")
    for title, trials, threads in (
        ("Keras fit on NumPy, one trial on all cores", 1, None),
        ("Keras fit on NumPy, a trial a core", cores, 1),
    ):
        peer = trials * work / _together("keras", epochs, trials, threads)
        print(f"{title:<44}{peer:>9.0f} windows/s   Recur is {ours / peer:.2f} x", flush=True)


if __name__ == "__main__":
    main()
