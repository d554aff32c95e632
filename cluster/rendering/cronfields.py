"""The five fields of a cron expression, as numbers: what ``cronsim`` reads is what is rendered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from cronsim import CronSim
from cronsim.cronsim import Field

from cluster.calendar import Calendar
from cluster.errors import ClusterError

FULL = {"days": frozenset(range(1, 32)), "weekdays": frozenset(range(7))}
LAST, LAST_WEEKDAY = CronSim.LAST, CronSim.LAST_WEEKDAY
Weekday = int | tuple[int, int]  # with its number in the month, or LAST; 0 is Sunday

_FIELDS = (Field.MINUTE, Field.HOUR, Field.DAY, Field.MONTH, Field.DOW)
_YEARS = 10


@dataclass(frozen=True)
class CronFields:
    """What an expression means.

    Attributes:
        days: of the month; LAST and LAST_WEEKDAY are among them as they are.
        both: whether day of the month and of the week have to fit; else one of them is enough.
        texts: the fields as they were written, in upper case.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[Weekday]
    both: bool
    texts: tuple[str, ...]

    @classmethod
    def of(cls, calendar: Calendar) -> CronFields:
        """The fields of an expression that has been checked."""
        read = CronSim(calendar.cron, dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        week = (each % 7 if isinstance(each, int) else (each[0] % 7, each[1]) for each in read.weekdays)
        return cls(
            minutes=frozenset(read.minutes),
            hours=frozenset(read.hours),
            days=frozenset(read.days),
            months=frozenset(read.months),
            weekdays=frozenset(week),
            both=read.day_and,
            texts=tuple(read.parts[1:]),
        )

    def plain(self, whose: str) -> list[str]:
        """The fields in what every cron reads: numbers, ranges and lists of them, stars and their steps.

        A star at a field's beginning stays there: it decides whether one of the two kinds of days is enough.

        Raises:
            ClusterError: they say what ``whose`` scheduler has no words for.
        """
        if not all(isinstance(each, int) and each >= 0 for each in (*self.days, *self.weekdays)):
            raise ClusterError(
                f"cron: {' '.join(self.texts)!r} has L, LW or #, which {whose} does not know; write plain "
                "days, or have the schedule run by systemd or by recur schedule serve"
            )
        return [
            ",".join(term if term.startswith("*") else spans(_values(kind, term)) for term in text.split(","))
            for kind, text in zip(_FIELDS, self.texts, strict=True)
        ]


def _values(kind: Field, term: str) -> Iterator[int]:
    return (each for each in kind.parse(term) if isinstance(each, int))


def spans(values: Iterable[int], form: str = "{}", dash: str = "-") -> str:
    """Numbers as a list of ranges."""
    ordered = sorted(values)
    begins = ordered[:1] + [after for before, after in pairwise(ordered) if after > before + 1]
    ends = [before for before, after in pairwise(ordered) if after > before + 1] + ordered[-1:]
    return ",".join(
        form.format(first) + (dash + form.format(last) if last > first else "")
        for first, last in zip(begins, ends, strict=True)
    )


def moved(calendar: Calendar, now: dt.datetime) -> list[dt.datetime]:
    """The times of the next years that stand in for one within an hour which is left out, when clocks go on.

    Such a time is the end of that hour; most schedulers but Debian's pass it over.
    """
    fields = CronFields.of(calendar)
    found = []
    for end in _hours_left_out(calendar, now):
        local = end.astimezone(calendar.tz)
        usual = local.minute in fields.minutes and local.hour in fields.hours
        if not usual and calendar.next(end - dt.timedelta(minutes=1), 1) == [end]:
            found.append(end)
    return found


def _hours_left_out(calendar: Calendar, now: dt.datetime) -> Iterator[dt.datetime]:
    """Their ends."""

    def offset(moment: dt.datetime) -> dt.timedelta:
        return moment.astimezone(calendar.tz).utcoffset() or dt.timedelta()

    day = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(366 * _YEARS):
        low, high = day, day + dt.timedelta(days=1)
        if offset(high) > offset(low):
            while high - low > dt.timedelta(minutes=1):
                middle = low + ((high - low) // dt.timedelta(minutes=2)) * dt.timedelta(minutes=1)
                low, high = (low, middle) if offset(middle) > offset(day) else (middle, high)
            yield high
        day += dt.timedelta(days=1)
