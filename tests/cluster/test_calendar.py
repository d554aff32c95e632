import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.calendar import Calendar
from cluster.errors import ClusterError


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


def test_every_night_in_its_own_zone() -> None:
    calendar = Calendar.parse("0 2 * * *", "Europe/Berlin")
    assert calendar.next(utc(2026, 7, 1, 0, 0), 2) == [utc(2026, 7, 2), utc(2026, 7, 3)]
    assert calendar.next(utc(2026, 12, 1, 0, 0), 1) == [utc(2026, 12, 1, 1)]


def test_the_hour_that_is_left_out_runs_once_at_its_end() -> None:
    calendar = Calendar.parse("30 2 * * *", "Europe/Berlin")
    found = calendar.next(utc(2026, 3, 28), 3)
    assert [calendar.shown(each) for each in found] == [
        "Sat 2026-03-28 02:30:00 CET",
        "Sun 2026-03-29 03:00:00 CEST",
        "Mon 2026-03-30 02:30:00 CEST",
    ]


def test_the_hour_that_comes_twice_runs_once() -> None:
    calendar = Calendar.parse("30 2 * * *", "Europe/Berlin")
    found = list(calendar.between(utc(2026, 10, 24, 12), utc(2026, 10, 26, 12)))
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_every_hour_is_every_hour_whatever_the_clocks_do() -> None:
    calendar = Calendar.parse("@hourly", "Europe/Berlin")
    found = list(calendar.between(utc(2026, 10, 24, 20), utc(2026, 10, 25, 4)))
    assert found == [utc(2026, 10, 24, 20) + dt.timedelta(hours=hour) for hour in range(1, 9)]


@given(st.integers(0, 2 * 366 * 86400), st.integers(0, 400))
def test_a_year_holds_each_day_once(begin: int, days: int) -> None:
    """However a year is cut into looks, every local day has one tick."""
    calendar = Calendar("15 2 * * *", "America/New_York")
    moment = utc(2025, 1, 1) + dt.timedelta(seconds=begin)
    end = moment + dt.timedelta(days=days)
    found = list(calendar.between(moment, end))
    local = [each.astimezone(calendar.tz).date() for each in found]
    assert len(set(local)) == len(local)
    assert abs(len(local) - days) <= 1
    assert all(moment < each <= end for each in found)


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("0 2 * *", "UTC", "4 fields"),
        ("0 0 2 * * *", "UTC", "6 fields"),
        ("99 2 * * *", "UTC", "bad minute"),
        ("0 0 31 2 *", "UTC", "bad day-of-month"),
        ("0 2 * * moon", "UTC", "cannot be"),
        ("0 2 * * *", "Europe/Berln", "did you mean Europe/Berlin"),
        ("0 2 * * *", "../etc/passwd", "no time zone"),
        ("0 2 * * *", "", "no time zone"),
        ("", "UTC", "0 fields"),
    ],
)
def test_what_is_never_due_is_refused(cron: str, zone: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        Calendar.parse(cron, zone)
