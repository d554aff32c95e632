"""What an epoch is, where a pass over the windows is long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.fidelity import PASSES, Fidelity, fidelity_of
from tests.jobs.listener import task, trained
from tests.jobs.small import job, panel, params

SHORT = ("window.lookback=4", "data.split={validation: 10, test: 0}")  # of 110 rows: 100 - 6 + 1 windows


def chosen(*overrides: str) -> Fidelity:
    return fidelity_of(job(*SHORT, *overrides), panel(110))


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ((), PASSES),
        (("search.windows=48",), PASSES),  # less than two of them in a pass
        (("search.windows=47",), Fidelity(48, 2)),
        (("search.windows=10",), Fidelity(10, 10)),  # of 9.5 windows on average
        (("search.windows=10", "search.resource=epochs"), PASSES),
        (("search.windows=90", "search.resource=windows"), Fidelity(95, 1)),
        (("search.windows=1000", "search.resource=windows"), Fidelity(95, 1)),
        (("search.windows=10", "window.stride={choice: [2, 5]}"), Fidelity(10, 5)),  # of at most 48 windows
        (("search.windows=10", "window.lookback={int: {min: 4, max: 24}}"), Fidelity(10, 10)),
    ],
)
def test_auto_counts_windows_where_a_pass_is_long(overrides: tuple[str, ...], found: Fidelity) -> None:
    assert chosen(*overrides) == found


def test_the_job_files_epochs_are_passes() -> None:
    train = Fidelity(10, 8).of(params(max_epochs=3, patience=2)).train

    assert (train.max_epochs, train.patience, train.plateau_patience, train.epoch_windows) == (24, 16, 24, 10)
    assert Fidelity(10, 8).of(params(patience=None)).train.patience is None
    assert PASSES.of(params()) == params()


@given(st.integers(1, 300), st.integers(0, 10_000))
def test_people_are_shown_passes(per_pass: int, epochs: int) -> None:
    shown = Fidelity(5, per_pass).passes(epochs)

    assert shown == pytest.approx(epochs / per_pass, abs=1e-4)
    assert per_pass > 1 or isinstance(shown, int)


def test_fidelity_survives_the_journal() -> None:
    assert Fidelity(**Fidelity(10, 3).to_json()) == Fidelity(10, 3)


# A trial whose epochs are parts of a pass


def parts(**changes: Any) -> list[dict[str, Any]]:
    given_params = Fidelity(10, 3).of(params(cell="simple_rnn", batch_size=5, max_epochs=2, **changes))
    return trained(task(given_params)).told()  # 29 training windows


def test_a_pass_is_validated_several_times() -> None:
    told = parts()

    assert [report["epoch"] for report in told] == [1, 2, 3, 4, 5, 6]
    assert [report["ended"] for report in told] == [None] * 5 + ["done"]
    assert len({report["score"] for report in told}) == 6


def test_a_part_of_a_pass_goes_on_where_it_was_interrupted() -> None:
    given_task = task(Fidelity(10, 3).of(params(cell="lstm", dropout=0.3, batch_size=5, max_epochs=2)))
    whole = trained(given_task)
    asks = whole.batches // 6

    for cut in (asks + 1, 3 * asks + 2, 5 * asks):  # the pass ends within the third epoch
        left = trained(given_task, interrupt_at=cut)
        rest = trained(given_task, left.state, known_epochs=len(left.reports))

        assert left.told() + rest.told() == whole.told()
        assert rest.arrays() == whole.arrays()


def test_two_halves_train_like_a_whole_but_for_their_last_batches() -> None:
    """With batches that divide the windows the steps are the same ones."""
    whole = trained(task(params(batch_size=29, max_epochs=2)))
    halves = trained(task(Fidelity(29, 1).of(params(batch_size=29, max_epochs=2))))

    assert halves.arrays() == whole.arrays()
    assert [r.metrics["loss"] for r in halves.reports] == [r.metrics["loss"] for r in whole.reports]
