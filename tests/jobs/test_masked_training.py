"""Training and validation where targets are missing: what is not there counts nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.dataspec import Split
from jobs.learner import Learner
from jobs.parts import split_panel
from jobs.schedules import constant
from tests.jobs.layouts import rich_panel, window
from tests.jobs.small import params, standard


def nobody() -> None:
    """Asks nothing."""


def test_the_loss_of_training_is_the_mean_over_the_values_that_are_there() -> None:
    data = rich_panel()
    rows = data.rows.copy()
    rows[10:30, 6:8] = 1  # of some windows nothing is there
    chosen = replace(params(optimizer="sgd", batch_size=4), window=window("plain"))
    given = replace(data, rows=rows)
    one = Learner(chosen, given, standard(given, split_panel(given, Split())), 3)
    starts = np.arange(31)

    found = one.train(starts, lambda _, count: constant(0.0, count), nobody)

    assert found.loss == pytest.approx(one.evaluate(starts, nobody).loss, rel=1e-4)


def test_where_nothing_is_there_no_score_is_found() -> None:
    data = rich_panel()
    rows = data.rows.copy()
    rows[:, 6:8] = 1
    given = replace(data, rows=rows)
    one = Learner(
        replace(params(), window=window("plain")), given, standard(given, split_panel(data, Split())), 3
    )

    assert np.isnan(one.evaluate(np.arange(20), nobody).loss)
