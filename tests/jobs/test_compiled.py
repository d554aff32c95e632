"""A user's network learns by its own compile, or as the job says, and is served on the data's scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from jobs.compiled import CompiledLearner
from jobs.params import BuildParams
from tests.jobs.hypermodels import PLAIN, built, opened, served_error, trained
from tests.jobs.listener import task


def test_a_network_learns_by_its_own_compile_and_is_saved_with_its_scaling(
    write_module: Callable[[str], str],
) -> None:
    given = task(built(write_module(PLAIN), values={"units": 4, "rate": 0.02}, max_epochs=6))
    found = trained(given)

    losses = [report.metrics["val_loss"] for report in found.reports]
    assert [report.ended for report in found.reports] == [None] * 5 + ["done"]
    assert losses[-1] < losses[0]
    assert served_error(given, found.model) == pytest.approx(found.reports[-1].best_score, rel=1e-4)


def test_a_resumed_trial_is_the_uninterrupted_one(write_module: Callable[[str], str]) -> None:
    given = task(
        built(write_module(PLAIN), values={"units": 3, "rate": 0.01}, max_epochs=4),
        milestones=(2,),
        pauses=True,
    )
    whole, half = trained(given), trained(given, stop_at=2)
    rest = trained(given, half.state, 2)

    told = [report.metrics for report in whole.reports]
    assert [report.metrics for report in half.reports + rest.reports] == told
    assert [report.epoch for report in rest.reports] == [3, 4]


def test_a_trial_that_goes_on_from_another_has_a_learning_rate_of_its_own(
    write_module: Callable[[str], str],
) -> None:
    hypermodel, material, chosen = opened(write_module(PLAIN))
    ours, theirs = (
        CompiledLearner(
            replace(chosen, build=BuildParams("mine:build", None, {"units": 3, "rate": rate})),
            hypermodel,
            material,
            1,
        )
        for rate in (0.02, 0.07)
    )
    ours.arrays = theirs.arrays

    assert float(ours._model.optimizer.learning_rate) == pytest.approx(0.02)
    assert all(map(np.array_equal, ours.arrays, theirs.arrays))


def test_a_network_without_a_compile_is_trained_as_the_job_says(write_module: Callable[[str], str]) -> None:
    text = PLAIN.replace("    model.compile(", "    dict(a=").replace('"mse")', "b=1)")
    chosen = built(
        write_module(text),
        values={"units": 3},
        optimizer="sgd",
        learning_rate=0.05,
        schedule="cosine",
        loss="huber",
    )
    build = chosen.build
    assert build is not None
    found = trained(
        task(replace(chosen, build=replace(build, compiled=False), train=replace(chosen.train, max_epochs=3)))
    )

    assert [report.epoch for report in found.reports] == [1, 2, 3]
    assert set(found.reports[0].metrics) == {"loss", "val_loss", "val_mse", "val_mae", "val_huber"}


@pytest.mark.parametrize("scale", ["instance", "instance_standard"])
def test_windows_on_their_own_level_are_forecast_there(
    write_module: Callable[[str], str], scale: str
) -> None:
    given = task(
        built(
            write_module(PLAIN),
            values={"units": 3, "rate": 0.01},
            max_epochs=2,
            scale=scale,
            objective="val_mse",
        )
    )
    found = trained(given)

    assert served_error(given, found.model) == pytest.approx(found.reports[-1].best_score, rel=1e-4)


def test_a_trial_of_several_executions_is_scored_by_their_mean(write_module: Callable[[str], str]) -> None:
    folder = write_module(PLAIN)
    chosen = built(folder, values={"units": 3, "rate": 0.01}, max_epochs=1)
    alone = trained(task(chosen)).reports[0]
    both = trained(task(replace(chosen, train=replace(chosen.train, executions=2)))).reports[0]
    again = trained(task(chosen, seed=3 + 15_485_863)).reports[0]

    assert both.score == pytest.approx((alone.score + again.score) / 2, rel=1e-5)
    assert both.metrics["score_spread"] > 0


def test_a_network_that_diverges_ends_the_trial(write_module: Callable[[str], str]) -> None:
    found = trained(task(built(write_module(PLAIN), values={"units": 3, "rate": 1e38}, max_epochs=5)))

    assert found.reports[-1].ended == "diverged"
