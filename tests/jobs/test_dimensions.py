"""Ranges and choices that hold nothing, or not what they say, are refused with what to write instead."""

from __future__ import annotations

import pytest

from tests.jobs.small import refusal


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.units={int: {min: 5, max: 3}}", "the range is empty: min=5 is above max=3; swap them"),
        (
            "model.units={int: {min: 50, max: 150, step: 30}}",
            (
                "step=30 from min=50 never reaches max=150; the last value is 140: write max: 140 "
                "or another step"
            ),
        ),
        (
            "model.units={int: {min: 1, max: 2000000, step: 2}}",
            (
                "step=2 from min=1 never reaches max=2000000; the last value is 1999999: write max: 1999999 "
                "or another step"
            ),
        ),
        (
            "model.units={int: {min: 3, max: 100, step: 2, sampling: log}}",
            "step=2 from min=3 never reaches max=100; the last value is 96: write max: 96 or another step",
        ),
        (
            "model.dropout={float: {min: 0.0, max: 0.5, step: 0.2}}",
            (
                "step=0.2 from min=0.0 never reaches max=0.5; the last value is 0.4: write max: 0.4 "
                "or another step"
            ),
        ),
        (
            "train.learning_rate={float: {min: 1e-4, max: 5e-2, step: 10, sampling: log}}",
            (
                "step=10.0 from min=0.0001 never reaches max=0.05; the last value is 0.01: write max: 0.01 "
                "or another step"
            ),
        ),
        ("model.units={int: {min: 4, max: 8, step: 0}}", "step must be above 0, found step=0"),
        ("model.units={int: {min: 4, max: 8, step: -2}}", "step must be above 0, found step=-2"),
        ("model.units={int: {min: 4, max: 8, step: 1, sampling: log}}", "step must be above 1, found step=1"),
        (
            "model.units={int: {min: 0, max: 8, sampling: log}}",
            "sampling: log needs min above 0, found min=0",
        ),
        (
            "model.units={int: {min: 1, max: 3, sampling: exp}}",
            "sampling: input should be 'linear' or 'log', found 'exp'",
        ),
        ("model.units={int: {min: a, max: 3}}", "min: input should be a valid integer, found 'a'"),
        ("model.units={int: {min: 1}}", "max: is required and not given"),
        ("model.units={int: 3}", "int takes named arguments such as {min: 1, max: 3}, found 3"),
        (
            "train.learning_rate={float: {min: 1.0, max: .inf}}",
            "max: input should be a finite number, found inf",
        ),
        ("model.cell={choice: []}", "choice needs at least one value, found an empty list"),
        ("model.cell={choice: gru}", "choice takes a list of values, found 'gru'"),
        ("model.cell={choice: [[gru]]}", "choice lists single values, found ['gru']"),
        ("model.cell={choice: [gru, gru]}", "choice lists a value twice: ['gru', 'gru']"),
        ("model.units={}", "a searched value is one of int, float, choice, boolean, found nothing"),
        (
            "model.units={int: {min: 1, max: 3}, float: {min: 1, max: 2}}",
            "a searched value is one of int, float, choice, boolean, found int, float",
        ),
    ],
)
def test_a_range_that_holds_nothing_is_refused(override: str, sentence: str) -> None:
    assert refusal(override) == f"job.yaml: {override.partition('=')[0]}: {sentence}"
