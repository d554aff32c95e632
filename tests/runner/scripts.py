"""KerasTuner users' scripts, and jobs that name a function of theirs."""

from __future__ import annotations

from pathlib import Path

ARTICLE = """
import keras_tuner as kt
from tensorflow.keras.callbacks import EarlyStopping
from tensorflow.keras.layers import Dense, Dropout, SimpleRNN
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam


def build_model(hp):
    model = Sequential()
    layers = hp.Int("num_layers", 1, 3)
    activation = hp.Choice("activation", ["tanh", "relu"])
    for i in range(layers):
        units = hp.Int(f"units_{i}", 4, 12, step=4)
        model.add(
            SimpleRNN(
                units=units,
                activation=activation,
                return_sequences=i < layers - 1,
                input_shape=(X_train.shape[1], X_train.shape[2]),
            )
        )
    model.add(Dropout(hp.Float("dropout", 0.0, 0.2, step=0.1)))
    model.add(Dense(1))
    model.compile(optimizer=Adam(hp.Choice("learning_rate", [1e-2, 1e-3])), loss="mse")
    return model


tuner = kt.Hyperband(build_model, objective="val_loss", max_epochs=9, factor=3, hyperband_iterations=1)
stop = EarlyStopping(monitor="val_loss", patience=5)
tuner.search(X_train, y_train, validation_data=(X_test, y_test), callbacks=[stop])
"""

JOB = """
name: {name}
data: {{path: {data}, time: time, target: target, past: [driver]}}
window: {{lookback: 12, horizon: 1, stride: 2}}
model: {{build: {build}}}
train: {{max_epochs: {epochs}, batch_size: 32{train}}}
search: {{scheduler: {scheduler}, seed: 3}}
"""


def write(
    folder: Path,
    data: Path,
    module: str,
    *,
    build: str = "article:build_model",
    scheduler: str = "none, trials: 2",
    epochs: int = 2,
    train: str = "",
    name: str = "built",
) -> Path:
    """A job file and the module beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{build.partition(':')[0]}.py").write_text(module)
    job = folder / "job.yaml"
    text = JOB.format(name=name, data=data, build=build, scheduler=scheduler, epochs=epochs, train=train)
    job.write_text(text)
    return job
