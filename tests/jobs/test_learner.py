"""One trial's network in training: which programs it takes, what it finds and what it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs import learner as learning
from jobs.dataspec import Split
from jobs.engine.programs import Evaluation, Training, evaluation_program, training_program
from jobs.errors import JobError
from jobs.feed import LARGEST_EVALUATED
from jobs.learner import Learner
from jobs.panel import Panel
from jobs.params import LayerParams, Params
from jobs.parts import split_panel
from jobs.scaling import Scaler
from jobs.schedules import constant
from tests.jobs.small import panel, params, standard, unscaled

PANEL = panel(90)
STARTS = np.arange(70)


def learner(chosen: Params | None = None, *, data: Panel = PANEL, seed: int = 3) -> Learner:
    chosen = chosen or params()
    return Learner(chosen, data, standard(data, split_panel(data, Split())), seed)


def rates(_first: int, count: int) -> Any:
    return constant(0.01, count)


def nobody() -> None:
    """Asks nothing."""


def programs(of: Learner) -> tuple[Training, Evaluation]:
    return training_program(of._training, of._optimizer), evaluation_program(of._evaluation)


# Programs


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are chosen, but not compiled."""
    for program in (Training, Evaluation):
        monkeypatch.setattr(program, "prepare", lambda *_: 0.0)


def chosen_for(training: int, validation: int, **changes: Any) -> tuple[bool, bool]:
    """Whether XLA is taken to train and to evaluate."""
    one = learner(params(**changes))
    one.expect(training, validation)
    return one._training.xla, one._evaluation.xla


@pytest.mark.usefixtures("uncompiled")
def test_xla_is_taken_where_there_are_many_steps_of_recurrences() -> None:
    enough = 60_000 // 6 * 16  # windows in batches of 16 over 6 steps

    assert chosen_for(enough - 16, 0) == (False, False)
    assert chosen_for(enough, 0) == (True, False)
    assert chosen_for(enough // 2, 0, layers=(LayerParams("gru", 3, "tanh", 0.0),) * 2) == (True, False)
    assert chosen_for(enough // 2, 0, lookback=12) == (True, False)
    assert chosen_for(enough // 2, 0, batch_size=8) == (True, False)
    assert chosen_for(0, 8_004 // 6 * LARGEST_EVALUATED) == (False, True)
    assert chosen_for(0, 7_998 // 6 * LARGEST_EVALUATED) == (False, False)


@pytest.mark.usefixtures("uncompiled")
def test_neither_what_was_taken_before_nor_what_is_ready_decides() -> None:
    one, many = learner(), 10**6

    found = []
    for windows in (10, many, 10, many):
        one.expect(windows, windows)
        found.append((one._training.xla, one._evaluation.xla))
        for program in programs(one):
            program._ready = True

    assert found[0] == found[2] == (False, False)
    assert found[1] == found[3]
    assert found[1][0]


def test_trials_that_differ_in_numbers_only_share_their_programs() -> None:
    layers = (LayerParams("gru", 3, "tanh", 0.2),)
    one = learner(params(layers=layers))

    for other in (
        learner(params(layers=layers, learning_rate=0.5)),
        learner(params(layers=(LayerParams("gru", 3, "tanh", 0.7),))),
        learner(params(layers=layers, clip_norm=1.0, max_epochs=9, patience=1)),
        learner(params(layers=layers, schedule="cosine")),
        learner(params(layers=layers), data=panel(120, seed=8), seed=5),
        Learner(params(layers=layers, scale="none"), PANEL, unscaled(PANEL), 3),
    ):
        assert programs(other) == programs(one)
    for other in (
        learner(params(layers=(LayerParams("gru", 3, "tanh", 0.0),))),
        learner(params(layers=layers, scale="instance")),
        learner(params(layers=layers, optimizer="sgd")),
    ):
        assert programs(other)[0] is not programs(one)[0]


# What an epoch finds


def test_seconds_are_told_by_kind() -> None:
    one = learner()

    one.expect(70, 70)
    one.train(STARTS, rates, nobody)
    assert set(one.seconds) == {"compile", "data", "train"}
    one.evaluate(STARTS, nobody)

    assert set(one.seconds) == {"compile", "data", "train", "validate"}
    assert all(seconds >= 0 for seconds in one.seconds.values())


def test_seconds_of_a_kind_add_up() -> None:
    one = learner()

    for _ in range(2):
        before = one.seconds.get("own", 0.0)
        with pytest.raises(KeyError), one.clock("own"):
            raise KeyError  # even of what fails
        assert one.seconds["own"] > before


def test_how_batches_are_cut_into_calls_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for seconds in (1e9, 0.0):  # all in one call, or every batch in one of its own after the first
        monkeypatch.setattr(learning, "_CALL_SECONDS", seconds)
        one, asked = learner(params(batch_size=4, dropout=0.3)), []
        passes = [one.train(STARTS, rates, lambda asked=asked: asked.append(1)) for _ in range(2)]
        found.append((passes, [array.tobytes() for array in one.arrays], one.evaluate(STARTS, nobody)))
        assert one.steps() == 36
        assert len(asked) == (2 if seconds else 1 + 18)

    assert found[0] == found[1]


def test_the_learning_rates_are_asked_for_by_the_number_of_the_step() -> None:
    one, asked = learner(params(batch_size=16)), []

    def counted(first: int, count: int) -> Any:
        asked.extend(range(first, first + count))
        return constant(0.01, count)

    for _ in range(2):
        one.train(STARTS, counted, nobody)

    assert asked == list(range(10))  # twice 70 windows in batches of 16


def test_a_rate_of_zero_learns_nothing() -> None:
    one = learner(params(optimizer="sgd"))
    before = one.arrays

    one.train(STARTS, lambda _, count: constant(0.0, count), nobody)

    np.testing.assert_array_equal(one.arrays[0], before[0])


def test_training_finds_the_mean_loss_over_its_windows() -> None:
    one = learner(params(optimizer="sgd", loss="mae", batch_size=16))

    found = one.train(STARTS, lambda _, count: constant(0.0, count), nobody)

    wanted = one.evaluate(STARTS, nobody)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-5)
    assert wanted.loss == wanted.mae != wanted.mse
    assert 0 < found.mean_gradient < found.largest_gradient


def test_whoever_asks_may_leave_in_the_middle() -> None:
    one = learner(params(batch_size=4))
    one._at_once = 3

    def leave() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        one.train(STARTS, rates, leave)
    assert one.steps() == 3


RELUS = (
    LayerParams("gru", 4, "relu", 0.0),
    LayerParams("lstm", 3, "tanh", 0.0),
    LayerParams("gru", 2, "relu", 0.0),
)


def dead(layers: tuple[LayerParams, ...], changed: dict[int, Any]) -> float:
    """The share that is found with some of Keras's weights set."""
    one = learner(params(layers=layers, reset_after=False))
    arrays = one.arrays
    weights = one.weights(arrays[0])
    for index, (where, value) in changed.items():
        weights[index][where] = value
    one.arrays = [np.concatenate([weight.ravel() for weight in weights]), *arrays[1:]]
    return one.evaluate(STARTS, nobody).dead_units


def test_dead_units_are_the_relus_that_give_nothing_but_zeros() -> None:
    assert dead(RELUS, {}) == 0.0
    assert dead(RELUS, {2: (slice(8, 10), -100.0)}) == pytest.approx(2 / 6)  # candidates of the first layer
    assert dead(RELUS, {2: (slice(8, 12), -100.0), 8: (slice(4, 6), [100.0, -100.0])}) == pytest.approx(5 / 6)


def test_a_network_without_relus_has_no_dead_units() -> None:
    assert dead((LayerParams("gru", 4, "sigmoid", 0.0),), {2: (slice(8, 12), -100.0)}) == 0.0


def test_what_fills_a_batch_up_brings_no_unit_to_life() -> None:
    """A unit that zeros wake up, scaled or not, is dead for a series that is far above them."""
    wakes = {0: ((slice(None), 2), -1.0), 2: (2, 5.0)}  # of one unit: kernel and bias of the candidate

    one = params(layers=(LayerParams("gru", 1, "relu", 0.0),), reset_after=False)
    scaler = Scaler(np.array([[490.0, 490.0]]), np.array([[1.0, 1.0]]))
    far = replace(PANEL, rows=PANEL.rows + 480)
    found = Learner(one, far, scaler, 3)
    arrays = found.arrays
    weights = found.weights(arrays[0])
    for index, (where, value) in wakes.items():
        weights[index][where] = value
    found.arrays = [np.concatenate([weight.ravel() for weight in weights]), *arrays[1:]]

    assert found.evaluate(STARTS, nobody).dead_units == 1.0


# Arrays


def test_arrays_are_copies() -> None:
    one = learner()
    taken = one.arrays
    before = [array.tobytes() for array in taken]

    one.train(STARTS, rates, nobody)
    assert [array.tobytes() for array in taken] == before
    taken[0][:] = 0

    assert np.abs(one.arrays[0]).max() > 0


def test_arrays_go_on_in_another_learner() -> None:
    one, other = learner(seed=3), learner(seed=3)
    one.train(STARTS, rates, nobody)

    other.arrays = one.arrays
    found = [each.train(STARTS, rates, nobody) for each in (one, other)]

    assert found[0] == found[1]
    assert [a.tobytes() for a in one.arrays] == [a.tobytes() for a in other.arrays]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays[:-1],
        lambda arrays: [*arrays, arrays[-1]],
        lambda arrays: [arrays[0][:-1], *arrays[1:]],
        lambda arrays: [*arrays[:-1], arrays[-1][None]],
        lambda _: [],
    ],
    ids=["one-less", "one-more", "fewer-weights", "another-shape", "none"],
)
def test_arrays_of_other_shapes_are_refused(spoil: Any) -> None:
    one = learner()
    before = [array.tobytes() for array in one.arrays]

    with pytest.raises(JobError) as error:
        one.arrays = spoil(one.arrays)

    assert str(error.value) == "a trial's saved state belongs to another network; the trial starts over"
    assert [array.tobytes() for array in one.arrays] == before


def test_a_flat_vector_is_given_as_the_weights_of_the_keras_model() -> None:
    one = learner()
    flat = np.arange(len(one.arrays[0]), dtype=np.float32)

    weights = one.weights(flat)

    assert [weight.shape for weight in weights] == [(2, 9), (3, 9), (2, 9), (3, 2), (2,)]
    np.testing.assert_array_equal(np.concatenate([weight.ravel() for weight in weights]), flat)
