"""The bundled examples: they parse, they are the networks they claim to be, their data is the original."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs import examples
from jobs.jobfile import load_job
from jobs.models import build_network
from jobs.params import LayerParams, resolve, space_of

FOLDER = Path(examples.__file__).parent
FILES = sorted(FOLDER.glob("*.yaml"))
ORIGINAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "etth1.csv"
COLUMNS = ["date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]

NETWORKS = {
    "simple_rnn": (
        LayerParams("simple_rnn", 130, "tanh", 0.2),
        LayerParams("simple_rnn", 110, "tanh", 0.2),
        LayerParams("simple_rnn", 130, "tanh", 0.2),
        LayerParams("simple_rnn", 100, "sigmoid", 0.2),
        LayerParams("simple_rnn", 40, "tanh", 0.3),
    ),
    "lstm": (
        LayerParams("lstm", 130, "tanh", 0.2),
        LayerParams("lstm", 70, "relu", 0.1),
        LayerParams("lstm", 100, "tanh", 0.0),
    ),
    "gru": (
        LayerParams("gru", 90, "tanh", 0.2),
        LayerParams("gru", 150, "tanh", 0.2),
        LayerParams("gru", 60, "relu", 0.5),
    ),
}
OUTPUT = {"simple_rnn": "linear", "lstm": "tanh", "gru": "linear"}

EARLY_UNITS = [50, 70, 90, 110, 130, 150]
LATER_UNITS = [20, 40, 60, 80, 100, 120, 140]
ACTIVATIONS = ["tanh", "relu", "sigmoid"]
DROPOUTS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
SIZES = {
    "simple_rnn": 6**3 * 7**2 * (3 * 6) ** 5,
    "lstm": 6**3 * (3 * 6) ** 3,
    "gru": 6**3 * (3 * 6) ** 3,
}


def test_the_examples_are_the_seven_that_the_docstring_lists() -> None:
    cells = ("simple_rnn", "lstm", "gru")
    expected = {"etth1.yaml", *(f"{cell}.yaml" for cell in cells), *(f"{cell}_search.yaml" for cell in cells)}
    assert {path.name for path in FILES} == expected
    assert all(f"``{name}``" in (examples.__doc__ or "") for name in expected)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_forecasts_a_day_of_the_bundled_series(path: Path) -> None:
    job = load_job(path)
    assert Path(job.data.path) == FOLDER / "etth1"
    assert job.data.time == "date"
    assert job.data.target == ("OT",)
    assert set(job.data.past) < set(COLUMNS)
    assert job.window.horizon == 24
    assert job.search.objective == "val_loss"


def test_the_main_example_searches_all_three_cells_with_asha() -> None:
    job = load_job(FOLDER / "etth1.yaml")
    space = space_of(job)
    dimensions = {parameter.name: parameter.dimension.values() for parameter in space.parameters}
    assert dimensions == {
        "model.cell": ["simple_rnn", "lstm", "gru"],
        "model.layers": [1, 2],
        "model.units": [16, 32, 48, 64],
        "model.dropout": [0.0, 0.1, 0.2],
        "train.learning_rate": None,  # continuous
    }
    assert space.size() == float("inf")
    assert (job.search.scheduler, job.search.trials, job.search.seed) == ("asha", 24, 7)
    assert job.window.scale == "instance"


@pytest.mark.parametrize("cell", NETWORKS)
def test_a_fixed_network_has_exactly_the_layers_it_is_known_for(cell: str) -> None:
    job = load_job(FOLDER / f"{cell}.yaml")
    params = resolve(job, {})
    assert space_of(job).size() == 1
    assert params.network.layers == NETWORKS[cell]
    assert params.network.output_activation == OUTPUT[cell]
    train = params.train
    assert (train.optimizer, train.learning_rate, train.loss) == ("adam", 1e-3, "mse")
    assert (train.batch_size, train.max_epochs, train.patience) == (32, 30, 5)
    assert job.data.split.validation == 0.2
    assert (job.search.scheduler, job.search.trials) == ("none", 1)


@pytest.mark.parametrize("cell", NETWORKS)
def test_a_search_space_has_exactly_its_values(cell: str) -> None:
    job = load_job(FOLDER / f"{cell}_search.yaml")
    space = space_of(job)
    expected: dict[str, list[object]] = {}
    for index in range(len(NETWORKS[cell])):
        expected[f"model.layers.{index}.units"] = [*(EARLY_UNITS if index < 3 else LATER_UNITS)]
        expected[f"model.layers.{index}.activation"] = [*ACTIVATIONS]
        expected[f"model.layers.{index}.dropout"] = [*DROPOUTS]
    assert {parameter.name: parameter.dimension.values() for parameter in space.parameters} == expected
    assert space.size() == SIZES[cell]
    layers = resolve(job, space.sample(np.random.default_rng(0))).network.layers
    assert [layer.cell for layer in layers] == [cell] * len(NETWORKS[cell])
    assert resolve(job, space.sample(np.random.default_rng(0))).network.output_activation == OUTPUT[cell]


@pytest.mark.parametrize("cell", NETWORKS)
def test_a_search_space_is_searched_with_hyperband(cell: str) -> None:
    job = load_job(FOLDER / f"{cell}_search.yaml")
    search = job.search
    assert (search.scheduler, search.factor, search.hyperband_iterations) == ("hyperband", 3, 5)
    assert (job.train.max_epochs, job.train.batch_size, job.train.learning_rate) == (100, 32, 1e-3)
    assert job.train.early_stopping is not None
    assert job.train.early_stopping.patience == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_network_returns_sequences_from_all_but_its_last_recurrent_layer(path: Path) -> None:
    job = load_job(path)
    params = resolve(job, space_of(job).sample(np.random.default_rng(3)))
    network = build_network(params.network, lookback=8, inputs=4, horizon=24, targets=1)
    recurrent = keras.layers.SimpleRNN | keras.layers.LSTM | keras.layers.GRU
    returns = [layer.return_sequences for layer in network.layers if isinstance(layer, recurrent)]
    assert returns == [True] * (len(params.network.layers) - 1) + [False]
    assert network.output_shape == (None, 24, 1)


def test_the_shards_follow_each_other_by_the_hour() -> None:
    shards = sorted((FOLDER / "etth1").glob("*.parquet"))
    tables = [pq.read_table(shard) for shard in shards]
    assert len(shards) == 6
    assert {tuple(table.column_names) for table in tables} == {tuple(COLUMNS)}
    times = [time for table in tables for time in table["date"].to_pylist()]
    hour = dt.timedelta(hours=1)
    assert times == [dt.datetime(2016, 7, 1) + step * hour for step in range(17_420)]  # noqa: DTZ001
    assert sum(shard.stat().st_size for shard in shards) < 500_000


def test_the_shards_hold_every_value_of_the_original() -> None:
    if not ORIGINAL.is_file():
        pytest.skip("the original etth1.csv is not beside this checkout (../shared/data)")
    table = pq.read_table(FOLDER / "etth1")
    with ORIGINAL.open(newline="") as stream:
        rows = csv.reader(stream)
        assert next(rows) == table.column_names
        dates, *numbers = zip(*rows, strict=True)
    assert [str(time) for time in table["date"].to_pylist()] == list(dates)
    for name, texts in zip(COLUMNS[1:], numbers, strict=True):
        assert table[name].to_pylist() == [float(text) for text in texts], name


def test_the_notice_gives_licence_and_authors() -> None:
    notice = (FOLDER / "NOTICE").read_text()
    for words in ("CC BY-ND 4.0", "ETDataset", "Haoyi Zhou", "Informer", "AAAI 2021", "verbatim"):
        assert words in notice
