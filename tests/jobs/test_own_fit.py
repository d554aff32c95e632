"""Functions with a fit of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.dataspec import Split
from jobs.discovery import discover
from jobs.errors import JobError
from jobs.trainstate import TrainState
from tests.jobs.hypermodels import OWN_FIT, built, opened, trained
from tests.jobs.listener import task


def test_a_fit_with_callbacks_is_a_trial_like_any_other(write_module: Callable[[str], str]) -> None:
    given = task(
        built(write_module(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=4),
        milestones=(2,),
        pauses=True,
    )
    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    assert [report.epoch for report in whole.reports] == [1, 2, 3, 4]
    assert [report.ended for report in whole.reports] == [None, None, None, "done"]
    assert [report.epoch for report in half.reports] == [1, 2]
    assert [report.epoch for report in rest.reports] == [3, 4]
    assert [report.score for report in half.reports + rest.reports] == [r.score for r in whole.reports]
    assert TrainState.from_bytes(half.state).now[1] == 2


def test_a_fit_without_callbacks_is_one_rung(write_module: Callable[[str], str]) -> None:
    (report,) = trained(task(built(write_module(OWN_FIT), "Silent", {"units": 3}, max_epochs=9))).reports

    assert (report.epoch, report.ended) == (1, "done")


def test_a_loop_of_ones_own_ends_the_trial_where_it_ends(write_module: Callable[[str], str]) -> None:
    found = trained(task(built(write_module(OWN_FIT), "Loop", {"units": 3}, max_epochs=9)))

    assert [(report.epoch, report.ended) for report in found.reports] == [(1, None), (2, None), (2, "done")]


def test_a_loop_that_tells_no_loss_has_not_diverged(write_module: Callable[[str], str]) -> None:
    text = OWN_FIT.replace('logs={"loss": float(loss)}', 'logs={"mine": 1.0}')
    found = trained(task(built(write_module(text), "Loop", {"units": 3}, max_epochs=2)))

    assert [report.ended for report in found.reports] == [None, "done"]
    assert all(report.metrics["loss"] is not None for report in found.reports)


def test_a_fit_of_ones_own_is_trained_on_every_fold(write_module: Callable[[str], str]) -> None:
    chosen = built(write_module(OWN_FIT), "Mine", {"units": 3, "batch": 16}, max_epochs=2)
    found = trained(task(chosen, split=Split(folds=2)))

    assert [report.epoch for report in found.reports] == [1, 2]
    assert found.reports[-1].metrics["score_spread"] > 0


def test_what_a_fit_raises_is_the_trials_failure(write_module: Callable[[str], str]) -> None:
    text = OWN_FIT.replace("loss = model.train_on_batch(x, y)", "raise RuntimeError('no luck')")
    with pytest.raises(JobError, match="raised RuntimeError: no luck"):
        trained(task(built(write_module(text), "Loop", {"units": 3})))


LOOPS = (
    OWN_FIT
    + """

def one(model, x, y, epoch, callbacks, order=None):
    order = list(order or np.random.permutation(len(x))[:16])
    loss = model.train_on_batch(x[order], y[order])
    for callback in callbacks:
        callback.on_epoch_end(epoch, logs={"loss": float(loss)})


class Fixed(Mine):
    def fit(self, hp, model, x, y, validation_data, callbacks=None):
        for epoch in range(4):
            one(model, x, y, epoch, callbacks)


class Epochs(Mine):
    def fit(self, hp, model, x, y, validation_data, epochs, callbacks=None, **kw):
        for epoch in range(epochs):
            one(model, x, y, epoch, callbacks)


class Default(Mine):
    def fit(self, hp, model, x, y, validation_data, epochs=1, verbose=1, callbacks=None):
        for epoch in range(epochs):
            one(model, x, y, epoch, callbacks)


class Willing(Mine):
    def fit(self, hp, model, x, y, epochs, initial_epoch, callbacks):
        for epoch in range(initial_epoch, epochs):
            print("trains", epoch)
            for callback in callbacks:
                callback.on_epoch_begin(epoch)
            one(model, x, y, epoch, callbacks)


class Handed(Mine):
    def fit(self, hp, model, x, y, callbacks, **kwargs):
        for epoch in range(kwargs["initial_epoch"], kwargs["epochs"]):
            print("trains", epoch)
            one(model, x[:16], y[:16], epoch, callbacks, order=range(16))


class Calls(Mine):
    def fit(self, hp, model, x, y, callbacks=None):
        for _ in range(4):
            history = model.fit(x, y, batch_size=16, epochs=1, callbacks=callbacks)
        return history.history["loss"][0]


class Phases(Mine):
    def fit(self, hp, model, x, y, callbacks=None):
        model.fit(x, y, batch_size=16, epochs=1, callbacks=callbacks)
        return model.fit(x[:16], y[:16], epochs=3, callbacks=callbacks)


class Own(Mine):
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, epochs=4, verbose=0, **kwargs)
"""
).replace("import keras\n", "import keras\nimport numpy as np\n", 1)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("Fixed", 1),
        ("Epochs", 2),
        ("Default", 3),
        ("Willing", 2),
        ("Handed", 1),
        ("Calls", 3),
        ("Phases", 1),
        ("Phases", 2),
        ("Own", 2),
    ],
)
def test_a_loop_that_was_left_tells_the_same_as_one_that_was_not(
    write_module: Callable[[str], str], capfd: pytest.CaptureFixture[str], name: str, left: int
) -> None:
    given = task(
        built(write_module(LOOPS), name, {"units": 3}, max_epochs=4), milestones=(left,), pauses=True
    )

    whole = trained(given)
    half = trained(given, stop_at=left)
    capfd.readouterr()
    rest = trained(given, half.state, left)

    assert [(report.epoch, report.ended) for report in whole.reports] == [
        *((epoch, None) for epoch in (1, 2, 3)),
        (4, "done"),
    ]
    assert [(r.epoch, r.score, r.ended) for r in (*half.reports, *rest.reports)] == [
        (r.epoch, r.score, r.ended) for r in whole.reports
    ]
    if name in {"Willing", "Handed"}:
        assert capfd.readouterr().out.split()[1::2] == [str(epoch) for epoch in range(left, 4)]


def test_what_a_loop_asks_is_found_out(write_module: Callable[[str], str]) -> None:
    found = discover(*opened(write_module(LOOPS), "Epochs"))

    assert [each.name for each in found.asks] == ["units"]


def test_loops_are_gone_on_with_on_every_fold_and_in_every_execution(
    write_module: Callable[[str], str],
) -> None:
    chosen = built(write_module(LOOPS), "Fixed", {"units": 3}, max_epochs=4, executions=2)
    given = task(chosen, split=Split(folds=2), milestones=(2,), pauses=True)

    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    assert [report.score for report in half.reports + rest.reports] == [r.score for r in whole.reports]


def test_a_loop_that_had_come_to_its_end_ends_without_another_epoch(
    write_module: Callable[[str], str],
) -> None:
    given = task(
        built(write_module(OWN_FIT), "Loop", {"units": 3}, max_epochs=9), milestones=(2,), pauses=True
    )

    half = trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    assert [(report.epoch, report.ended) for report in rest.reports] == [(2, "done")]


HANGS = """

class Hangs(Mine):
    def fit(self, hp, model, x, y, callbacks):
        time.sleep(1.0)
        return model.fit(x, y, callbacks=callbacks)


class HangsUnseen(Mine):
    def fit(self, hp, model, x, y):
        time.sleep(1.0)
        return model.fit(x, y)
"""

SLOW = """

class Late(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.3)


class Slow(Mine):
    def fit(self, hp, model, x, y, callbacks):
        return model.fit(x, y, batch_size=8, callbacks=[Late(), *callbacks])
"""


def test_a_fit_that_hangs_gives_no_sign_of_life(write_module: Callable[[str], str]) -> None:
    module = write_module("import time" + OWN_FIT + HANGS)
    found = trained(task(built(module, "Hangs", {"units": 3}, max_epochs=1)))

    assert found.signs[:3] == [False] * 3
    assert found.reports[-1].ended == "done"


def test_a_fit_that_trains_by_keras_gives_signs_of_life(write_module: Callable[[str], str]) -> None:
    module = write_module("import time" + OWN_FIT + SLOW)
    found = trained(task(built(module, "Slow", {"units": 3}, max_epochs=1)))

    assert found.signs.count(True) >= 3


def test_a_fit_without_callbacks_counts_as_alive(write_module: Callable[[str], str]) -> None:
    module = write_module("import time" + OWN_FIT + HANGS)
    found = trained(task(built(module, "HangsUnseen", {"units": 3}, max_epochs=1)))

    assert len(found.signs) > 3
    assert all(found.signs)
