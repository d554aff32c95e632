"""Dates as the borders of parts; ``test_windows`` holds the rest against an obvious loop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.dataspec import Split
from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.parts import split_panel
from tests.jobs.small import job, panel


@pytest.mark.parametrize(
    ("zone", "date", "hour"),
    [
        ("", "1970-01-02", 24),
        ("", "1970-01-02T05:30", 30),
        ("", "1970-01-02T05:00+02:00", 27),
        (", tz=UTC", "1970-01-02", 24),
        (", tz=Europe/Berlin", "1970-01-02", 23),  # its clock is an hour ahead
        (", tz=Europe/Berlin", "1970-01-02T00:00Z", 24),
    ],
)
def test_a_date_is_read_on_the_series_clock(zone: str, date: str, hour: int) -> None:
    found = replace(panel(60), time_type=f"timestamp[ns{zone}]")

    parts = split_panel(found, Split(validation=date, test=0.1))

    assert (parts.validation.tolist(), parts.test.tolist()) == ([hour], [54])


def test_each_series_is_divided_at_the_same_moment() -> None:
    parts = split_panel(panel(60, 30, 10), Split(validation="1970-01-02", test="1970-01-03", gap=2))

    assert (parts.train - [0, 60, 90]).tolist() == [0, 0, 0]
    assert (parts.train_end - [0, 60, 90]).tolist() == [22, 22, 8]
    assert (parts.validation - [0, 60, 90]).tolist() == [24, 24, 10]
    assert (parts.validation_end - [0, 60, 90]).tolist() == [46, 28, 10]
    assert (parts.test - [0, 60, 90]).tolist() == [48, 30, 10]


def test_whole_numbers_have_no_dates() -> None:
    found = replace(panel(60), time_type="int64")

    with pytest.raises(JobError) as refused:
        split_panel(found, Split(test="1970-01-02"))
    assert str(refused.value) == (
        "data.split.test: 1970-01-02 is a date, and the data's times are whole numbers; "
        "give a fraction or a number of time steps"
    )


@pytest.mark.parametrize("written", ["2024-01-31", "2024-01-31 14:00:00", "'2024-01-31T14:00Z'"])
def test_a_job_file_says_dates_as_yaml_does(written: str) -> None:
    asked = job(f"data.split={{validation: 0.2, test: {written}, gap: 3}}")

    assert isinstance(asked.data.split.test, str)
    assert parse_job(dump_job(asked), source="spec.yaml") == asked
