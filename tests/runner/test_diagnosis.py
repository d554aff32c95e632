"""What ails a trial, in words."""

from __future__ import annotations

import pytest

from runner.diagnosis import diagnose


def vitals(
    mean: float | None = 1.0, largest: float | None = 2.0, dead: float | None = 0.0
) -> dict[str, float | None]:
    return {"gradient_norm": mean, "gradient_norm_max": largest, "dead_units": dead}


@pytest.mark.parametrize(
    ("first", "last", "state", "words"),
    [
        (vitals(), vitals(), "done", None),
        ({}, {}, "pending", None),
        ({"train_seconds": 1.0}, {"train_seconds": 1.0}, "done", None),
        ({"train_seconds": 1.0}, {"train_seconds": 1.0}, "diverged", "the loss is not finite"),
        (vitals(), vitals(None, None, None), "diverged", "exploding gradients (not finite)"),
        (vitals(), vitals(1.0, 150.0), "done", "exploding gradients (up to 1.5e+02, 1 on average)"),
        (vitals(), vitals(2000.0, 3000.0), "done", "exploding gradients (up to 3e+03, 2e+03 on average)"),
        (vitals(), vitals(1e-9, 1e-8), "stopped_early", "vanishing gradients (1e-09 on average)"),
        (vitals(), vitals(), "diverged", "the loss is not finite"),
        (vitals(), vitals(dead=0.75), "done", "75% of the ReLU units are dead"),
        (vitals(), vitals(1.0, 1.0, 0.49), "done", None),
        (
            vitals(),
            vitals(1e-9, 1e-9, 1.0),
            "done",
            "vanishing gradients (1e-09 on average); 100% of the ReLU units are dead",
        ),
    ],
)
def test_a_trial_is_told_what_ails_it(
    first: dict[str, float | None], last: dict[str, float | None], state: str, words: str | None
) -> None:
    assert diagnose(first, last, state) == words
