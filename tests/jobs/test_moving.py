"""Values of conditions that move with the time: what they come to, and which rows they choose."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.moving import moment, resolved
from jobs.source import Columns
from jobs.spec import Job
from jobs.where import moves, row_filter, settled

AS_OF = "2026-11-28T02:30:00+01:00"
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia"]
)
MOMENTS = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2037, 12, 31))  # noqa: DTZ001 - a zone is drawn
UNITS = st.sampled_from(["hour", "day", "week", "month", "year"])


def job_of(where: str, as_of: str = "null") -> Job:
    data = f"{{path: x, time: t, target: y, where: {where}, as_of: {as_of}}}"
    job = parse_job(f"name: a\ndata: {data}\nwindow: {{horizon: 1}}", source="job.yaml")
    assert parse_job(dump_job(job), source="spec.yaml") == job
    return job


def instant(value: str, as_of: str) -> pd.Timestamp:
    return pd.Timestamp(resolved(value, as_of).utc)


def at(value: str, as_of: str) -> str:
    """In the zone of the moment."""
    found = instant(value, as_of).tz_convert(moment(as_of).tz)
    assert found.tz_localize(None) == pd.Timestamp(resolved(value, as_of).clock)
    return found.isoformat()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{now}", "2026-11-28T02:30:00+01:00"),
        ("{today}", "2026-11-28T00:00:00+01:00"),
        ("{yesterday}", "2026-11-27T00:00:00+01:00"),
        ("{last 3 hours}", "2026-11-27T23:30:00+01:00"),
        ("{last 1 day}", "2026-11-27T02:30:00+01:00"),
        ("{last 2 weeks}", "2026-11-14T02:30:00+01:00"),
        ("{last 9 months}", "2026-02-28T02:30:00+01:00"),
        ("{last 1 year}", "2025-11-28T02:30:00+01:00"),
    ],
)
def test_what_it_comes_to(value: str, text: str) -> None:
    assert at(value, AS_OF) == text


@pytest.mark.parametrize(
    ("as_of", "value", "text"),
    [
        # The clocks in Berlin went forward in that night: midnight was an hour less ago.
        ("2026-03-29T03:30:00+02:00[Europe/Berlin]", "{today}", "2026-03-29T00:00:00+01:00"),
        ("2026-03-29T03:30:00+02:00[Europe/Berlin]", "{last 1 day}", "2026-03-28T03:30:00+01:00"),
        ("2026-03-29T03:30:00+02:00[Europe/Berlin]", "{last 24 hours}", "2026-03-28T02:30:00+01:00"),
        ("2026-03-30T02:30:00+02:00[Europe/Berlin]", "{last 1 day}", "2026-03-29T03:00:00+02:00"),  # a gap
        ("2026-10-26T02:30:00+01:00[Europe/Berlin]", "{last 1 day}", "2026-10-25T02:30:00+02:00"),  # of two
        # In Cairo that day began at one o'clock.
        ("2023-04-28T12:00:00+03:00[Africa/Cairo]", "{today}", "2023-04-28T01:00:00+03:00"),
        ("2026-03-31T12:00:00+00:00", "{last 1 month}", "2026-02-28T12:00:00+00:00"),
        ("2024-02-29T12:00:00+00:00", "{last 1 year}", "2023-02-28T12:00:00+00:00"),
    ],
)
def test_days_go_by_the_clock_and_months_by_the_calendar(as_of: str, value: str, text: str) -> None:
    assert at(value, as_of) == text


@settings(deadline=None)  # the first of each zone reads its file
@given(MOMENTS, ZONES, UNITS, st.integers(1, 200))
def test_it_lies_before_the_moment_and_a_midnight_at_most_a_day(
    local: dt.datetime, zone: str, unit: str, count: int
) -> None:
    as_of = job_of("[]", f"'{local.isoformat()}[{zone}]'").data.as_of
    assert as_of is not None
    now = moment(as_of)
    assert instant("{now}", as_of) == now

    today, yesterday, back = (
        instant(value, as_of) for value in ("{today}", "{yesterday}", f"{{last {count} {unit}s}}")
    )
    assert yesterday < today <= now
    assert now - today < pd.Timedelta(hours=26)
    assert today - yesterday <= pd.Timedelta(hours=25)
    assert today.tz_convert(zone).date() == now.date()
    assert back < now
    if unit == "hour":
        assert now - back == pd.Timedelta(hours=count)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-28T02:00:00+01:00", "2026-11-28T02:00:00+01:00"),  # a time to YAML
        ("'2026-11-28T02:00:00+01:00'", "2026-11-28T02:00:00+01:00"),
        ("2026-11-28", "2026-11-28T00:00:00+00:00"),
        ("2026-11-28 02:00", "2026-11-28T02:00:00+00:00"),
        ("2026-11-28T01:00:00Z", "2026-11-28T01:00:00+00:00"),
        ("2026-11-28T01:00:00Z[Europe/Berlin]", "2026-11-28T02:00:00+01:00[Europe/Berlin]"),
        ("'2026-11-28T02:00[Europe/Berlin]'", "2026-11-28T02:00:00+01:00[Europe/Berlin]"),
    ],
)
def test_a_moment_as_it_may_be_written(written: str, kept: str) -> None:
    assert (
        job_of("[]", f"{written!r}" if "[" in written and written[0] != "'" else written).data.as_of == kept
    )


@pytest.mark.parametrize("written", ["soon", "3", "'2026-13-01'", "'2026-01-01[Mars/Base]'", "'[UTC]'", "[]"])
def test_what_is_no_moment(written: str) -> None:
    with pytest.raises(JobError, match=r"data\.as_of: write a date and time such as 2026-11-28T02"):
        job_of("[]", written)


@pytest.mark.parametrize(
    "written",
    ["'{last 90 days}'", "{last 90 days}", "'{ last  90 days }'", "{last 90 days: null}", "{last 90 days: }"],
)
def test_quotes_may_be_left_out(written: str) -> None:
    where = job_of(f"[[t, '>=', {written}], [k, in, [a, {{today}}]]]").data.where

    assert where == (("t", ">=", "{last 90 days}"), ("k", "in", ("a", "{today}")))
    assert moves(where)


@pytest.mark.parametrize("written", ["a", "'{a'", "'a}'", "'a {now} b'", "3", "true", "2024-01-01"])
def test_other_values_stay(written: str) -> None:
    where = job_of(f"[[t, '=', {written}]]").data.where

    assert not moves(where)
    assert settled(where, AS_OF) == settled(where, None) == where


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("{todai}", "; did you mean {today}?"),
        ("{last week}", "; did you mean {last 1 week}?"),
        ("{last 90 dais}", "; did you mean {last 90 days}?"),
        ("{last 0 days}", "; did you mean {last 90 days}?"),
        ("'{}'", ""),
    ],
)
def test_what_is_no_moving_value(written: str, hint: str) -> None:
    with pytest.raises(JobError) as refused:
        job_of(f"[[t, '>=', {written}]]")
    written = written.strip("'")
    assert str(refused.value) == (
        f"job.yaml: data.where.0: no moving value {written!r}; there are {{now}}, {{today}}, {{yesterday}}, "
        f"{{last 90 days}} (and so with hours, weeks, months, years){hint}"
    )


def test_a_mapping_is_no_value() -> None:
    with pytest.raises(JobError, match="a column is compared with a number, a text, a date, true or false"):
        job_of("[[t, '>=', {now: 3}]]")


@pytest.mark.parametrize("value", ["{last 400 years}", "{last 999999 weeks}", "{last 999999 months}"])
def test_what_lies_too_far_back(value: str) -> None:
    with pytest.raises(JobError) as refused:
        resolved(value, AS_OF)
    assert str(refused.value) == f"data.where: {value} of {AS_OF} lies outside the years 1678 to 2261"


def test_without_a_moment_no_rows_are_read() -> None:
    with pytest.raises(JobError) as refused:
        Columns.of(job_of("[[t, '>=', {today}]]").data)
    assert str(refused.value) == (
        "data.as_of: is null, and data.where has {today}; write the moment that it is of"
    )


HOURS = pd.date_range("2026-11-26", "2026-11-28 23:00", freq="h")
TABLE = pa.table(
    {
        "t": pa.array(HOURS, pa.timestamp("ms")),
        "z": pa.array(HOURS.tz_localize("UTC"), pa.timestamp("us", "America/New_York")),
        "day": pa.array(HOURS.date, pa.date32()),
        "n": range(len(HOURS)),
    }
)


def first_row(where: str) -> Any:
    condition = settled(job_of(where).data.where, AS_OF)
    found = ds.dataset(TABLE).to_table(filter=row_filter(condition, TABLE.schema, "a.parquet"))
    return HOURS[found["n"][0].as_py()].isoformat(timespec="hours")


def test_a_column_without_a_zone_is_read_by_the_clock() -> None:
    assert first_row("[[t, '>=', {today}]]") == "2026-11-28T00"
    assert first_row("[[t, '>', {now}]]") == "2026-11-28T03"
    assert first_row("[[t, '>=', {last 1 day}]]") == "2026-11-27T03"


def test_of_one_with_a_zone_the_instants_count() -> None:
    assert first_row("[[z, '>=', {today}]]") == "2026-11-27T23"
    assert first_row("[[z, '>', {now}]]") == "2026-11-28T02"


def test_a_column_of_dates() -> None:
    assert first_row("[[day, '>=', {yesterday}]]") == "2026-11-27T00"
    assert first_row("[[day, in, [2026-11-28, {yesterday}]]]") == "2026-11-27T00"


def test_a_column_of_another_kind() -> None:
    with pytest.raises(JobError) as refused:
        first_row("[[n, '>=', {today}]]")
    assert str(refused.value) == (
        "data.where: column 'n' is int64 and cannot be compared with the moment 2026-11-27T23:00:00+00:00"
    )
