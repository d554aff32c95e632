"""Plain Ray Tune with a function trainable; run as a process of its own by ``engine``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ray import tune

from tests.benchmarks._engine_work import BATCH_SIZE, Work, build, load_windows


def train(config: dict[str, Any], data: Any, epochs: int) -> None:
    """One trial in the way of Ray's guides: TensorFlow imported here, each epoch reported by a callback."""
    import keras

    class Report(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report({"val_loss": (logs or {})["val_loss"], "epoch": epoch})

    model = build(config["cell"], config["layers"], config["units"])
    training, validation = data
    model.fit(
        *training,
        validation_data=validation,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        verbose=0,
        callbacks=[Report()],
    )


def search(work: Work) -> list[float]:
    """Each trial's best val_loss; one CPU a trial and as many trials at a time as there are cores."""
    data = load_windows(work.series)
    trainable = tune.with_parameters(train, data=data, epochs=work.epochs)
    space = {name: tune.grid_search(list(values)) for name, values in vars(work.grid).items()}
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"cell": space["cells"], "layers": space["layers"], "units": space["units"]},
        tune_config=tune.TuneConfig(metric="val_loss", mode="min", max_concurrent_trials=os.cpu_count()),
        run_config=tune.RunConfig(storage_path=str(work.folder / "ray"), verbose=0),
    ).fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    return [float(result.metrics_dataframe["val_loss"].min()) for result in results]


if __name__ == "__main__":
    todo = Work.load(Path(sys.argv[1]))
    todo.save_scores(search(todo))
