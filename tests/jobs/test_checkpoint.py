"""A trial's progress, its state as bytes, and models as bytes."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from contextlib import suppress

import keras
import numpy as np
import pytest

from jobs.checkpoint import load_model, model_bytes
from jobs.errors import JobError
from jobs.report import EpochReport
from jobs.trainstate import Progress, TrainState

INF = math.inf


@pytest.mark.parametrize(
    ("scores", "min_delta", "best", "waited"),
    [
        ([3.0], 0.0, (1, 3.0), [0]),
        ([3.0, 2.0, 1.0], 0.0, (3, 1.0), [0, 0, 0]),
        ([3.0, 3.0, 3.0], 0.0, (1, 3.0), [0, 1, 2]),
        ([3.0, 4.0, 2.0, 5.0], 0.0, (3, 2.0), [0, 1, 0, 1]),
        ([3.0, 2.75, 2.5, 2.25, 1.5], 0.5, (5, 1.5), [0, 1, 2, 0, 0]),  # small steps count once they add up
        ([3.0, 2.5], 0.5, (2, 2.5), [0, 1]),  # exactly min_delta is none
        ([INF, INF], 0.0, (0, INF), [1, 2]),
        ([INF, 5.0, INF], 0.0, (2, 5.0), [1, 0, 1]),
    ],
)
def test_the_best_epoch_and_the_epochs_waited_are_counted(
    scores: list[float], min_delta: float, best: tuple[int, float], waited: list[int]
) -> None:
    progress, counted = Progress(), []
    for score in scores:
        progress = progress.after(score, min_delta)
        counted.append(progress.waited)

    assert counted == waited
    assert (progress.best_epoch, progress.best_score) == best
    assert progress.epoch == len(scores)


STATE = TrainState(
    Progress(epoch=2, best_epoch=1, best_score=0.1, reference=0.2, waited=1),
    [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64)],
    [np.array([0.1], np.float32), *(np.full(index, index, np.float32) for index in range(12))],
    (
        EpochReport(1, 0.1, 0.1, 1, {"loss": 0.3}, 0.5, None),
        EpochReport(2, None, 0.1, 1, {"loss": None}, 0.5, "diverged"),
    ),
)


@pytest.mark.parametrize("state", [STATE, TrainState(Progress(), [], [])])
def test_a_state_comes_back_from_its_bytes(state: TrainState) -> None:
    found = TrainState.from_bytes(state.to_bytes())

    assert (found.progress, found.reports) == (state.progress, state.reports)
    for read, written in ((found.now, state.now), (found.best, state.best)):
        assert [(array.dtype, array.shape, array.tobytes()) for array in read] == [
            (array.dtype, array.shape, array.tobytes()) for array in written
        ]


def other_archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    return buffer.getvalue()


def damaged() -> bytes:
    data = bytearray(STATE.to_bytes())
    data[data.index(b'"progress"')] ^= 1
    return bytes(data)


def sealed(data: bytes) -> bytes:
    """As somebody would write it who knows how states are sealed."""
    return data + hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        STATE.to_bytes()[:-5],
        STATE.to_bytes()[:40],
        damaged(),
        other_archive(),
        pickle.dumps([1]),
        sealed(damaged()[:-32]),
        sealed(other_archive()),
        sealed(pickle.dumps([1])),
    ],
    ids=[
        *("empty", "text", "truncated", "begun", "damaged", "archive", "pickle"),
        *("sealed and damaged", "sealed archive", "sealed pickle"),
    ],
)
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(
        JobError, match=r"^a trial's saved state cannot be read \(.*\); the trial starts over$"
    ):
        TrainState.from_bytes(data)


def test_a_state_with_any_bit_turned_is_refused() -> None:
    """And where whoever turned it sealed it anew, by nothing but its own sentence."""
    whole = STATE.to_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        with pytest.raises(JobError):
            TrainState.from_bytes(bytes(data))
        with suppress(JobError):
            TrainState.from_bytes(sealed(bytes(data[:-32])))


def dense(units: int) -> keras.Model:
    keras.utils.set_random_seed(units)
    values = keras.Input((4, 3))
    return keras.Model(values, keras.layers.Dense(units)(values))


def test_a_model_comes_back_from_its_bytes() -> None:
    model, values = dense(2), np.ones((1, 4, 3), np.float32)

    found = load_model(model_bytes(model))

    np.testing.assert_array_equal(found(values), model(values))


def with_code() -> bytes:
    values = keras.Input((4, 3))
    return model_bytes(keras.Model(values, keras.layers.Lambda(lambda x: x)(values)))


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "with code"])
def test_bytes_that_are_no_model_or_hold_code_are_refused(kind: str) -> None:
    made = {
        "empty": lambda: b"",
        "text": lambda: b"nonsense",
        "truncated": lambda: model_bytes(dense(2))[:-9],
        "with code": with_code,
    }
    data = made[kind]()

    with pytest.raises(JobError, match=r"^model\.keras cannot be loaded: "):
        load_model(data)


def test_a_damaged_model_is_one_sentence() -> None:
    whole = model_bytes(dense(2))
    turned = bytearray(whole)
    turned[len(turned) // 2] ^= 4
    for damaged_model in (whole[:-30], whole[: len(whole) // 2], bytes(turned), b""):
        with pytest.raises(JobError, match=r"^model\.keras cannot be loaded: "):
            load_model(damaged_model)
