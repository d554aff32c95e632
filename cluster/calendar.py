"""When a schedule is due: five cron fields in a time zone.

``cronsim`` reads the fields and knows Debian's rules for the two nights a year on which clocks change: a job
of certain hours runs once, at the end of the hour that is left out and in the first of two that are alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from cluster.errors import ClusterError

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Calendar:
    """The times that a cron expression names, in the time zone of that name; they are given in UTC."""

    cron: str
    zone: str = "UTC"

    @classmethod
    def parse(cls, cron: str, zone: str) -> Calendar:
        """One that is known to be due some time.

        Raises:
            ClusterError: the expression is none, or never due; or there is no such zone.
        """
        found = cls(_NICKNAMES.get(cron.strip().lower(), " ".join(cron.split())), zone)
        found.check()
        return found

    def check(self) -> None:
        """See that it is due some time.

        Raises:
            ClusterError: as ``parse``.
        """
        zone = self.tz
        if len(self.cron.split()) != 5:  # a library's sixth field would be seconds
            raise ClusterError(
                f"cron: {self.cron!r} has {len(self.cron.split())} fields; write five, minute, hour, day of "
                'the month, month and day of the week, such as "0 2 * * *"'
            )
        try:
            next(CronSim(self.cron, dt.datetime.now(zone)))
        except CronSimError as error:
            raise ClusterError(
                f'cron: {self.cron!r} cannot be: {str(error).lower()}; write for example "0 2 * * *" for '
                "every night at two"
            ) from None
        except StopIteration:
            raise ClusterError(f"cron: {self.cron!r} is never due: there is no such day") from None

    @cached_property
    def tz(self) -> ZoneInfo:
        """The zone.

        Raises:
            ClusterError: there is none of that name.
        """
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ClusterError(f"tz: there is no time zone {self.zone!r}{_nearest(self.zone)}") from None

    def after(self, moment: dt.datetime) -> Iterator[dt.datetime]:
        """The times after a moment, for ever."""
        for due in CronSim(self.cron, moment.astimezone(self.tz)):
            yield due.astimezone(dt.UTC)

    def next(self, moment: dt.datetime, count: int) -> list[dt.datetime]:
        """So many times after a moment."""
        return list(islice(self.after(moment), count))

    def between(self, moment: dt.datetime, now: dt.datetime) -> Iterator[dt.datetime]:
        """The times after a moment until now, now included."""
        for due in self.after(moment):
            if due > now:
                return
            yield due

    def shown(self, moment: dt.datetime) -> str:
        """A time as people in the zone read it."""
        return moment.astimezone(self.tz).strftime("%a %Y-%m-%d %H:%M:%S %Z")


def _nearest(zone: str) -> str:
    import difflib

    known = {each.lower(): each for each in available_timezones()}
    cities = {each.rpartition("/")[2]: known[each] for each in known}
    near = difflib.get_close_matches(zone.lower().rpartition("/")[2], cities, n=1)
    return f"; did you mean {cities[near[0]]}?" if near else "; write one such as Europe/Berlin or UTC"
