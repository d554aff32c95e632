"""A schedule as a service and a timer of systemd."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence

from cluster.errors import ClusterError
from cluster.rendering.cronfields import FULL, LAST, LAST_WEEKDAY, CronFields, Weekday, moved, spans
from cluster.rendering.scheduled import Rendered, Scheduled

_NAMES = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_PLAIN = re.compile(r"[A-Za-z0-9_@:/.,=+-]+")
_LAST_DAY = "~01"
_LAST_WEEK = "~07/1"  # the seventh last day of a month and all after it
_BOTH_DAYS = frozenset[int] | str

_SERVICE = """\
# {about}
[Unit]
Description=Recur's schedule {name}
{network}
[Service]
Type=oneshot
ExecStart={command}
# What the storage and the notices need, such as AWS_PROFILE; it need not be there.
EnvironmentFile=-%E/recur/{name}.env
# The sweep is asked to save and leave; what it has started ends with it.
KillSignal=SIGTERM
KillMode=mixed
TimeoutStopSec=120
SuccessExitStatus=130
# One that failed is run again by Recur's own rules; one that was killed, by this.
Restart=on-abnormal
RestartSec=60
# A trial that runs out of memory is given more; the sweep goes on.
OOMPolicy=continue
{rights}"""
_RIGHTS = """\
User={user}
# No more: CUDA's tools and Ray's folder in /tmp are outside the service.
ProtectSystem=full
ProtectControlGroups=yes
"""
_NETWORK = """\
Wants=network-online.target
After=network-online.target
"""
_TIMER = """\
# {about}
[Unit]
Description=When Recur's schedule {name} is due

[Timer]
{times}
Persistent={persistent}
AccuracySec=1s
Unit=recur-{name}.service

[Install]
WantedBy=timers.target
"""


def units(scheduled: Scheduled, now: dt.datetime, user: str | None = None) -> Rendered:
    """The two units.

    Args:
        scheduled: the schedule; its program is an absolute path.
        now: from when on times on nights when clocks change are written out.
        user: as whom the system's manager runs it; without one they are for a user's own manager.

    Raises:
        ClusterError: systemd has no words for the expression.
    """
    unit = f"recur-{scheduled.name}"
    given = {"about": scheduled.about, "name": scheduled.name}
    service = _SERVICE.format(
        **given,
        command=exec_line(scheduled.command()),
        network=_NETWORK if user else "",
        rights=_RIGHTS.format(user=user) if user else "",
    )
    times = "\n".join(_time_lines(scheduled, now))
    timer = _TIMER.format(**given, times=times, persistent="yes" if scheduled.catches_up else "no")
    return Rendered({f"{unit}.service": service, f"{unit}.timer": timer}, tuple(_notes(scheduled, user)))


def _notes(scheduled: Scheduled, user: str | None) -> Iterator[str]:
    manager = "systemctl" if user else "systemctl --user"
    folder = "/etc/systemd/system" if user else "~/.config/systemd/user"
    unit = f"recur-{scheduled.name}"
    yield f"put both into {folder}; then: {manager} daemon-reload && {manager} enable --now {unit}.timer"
    if not user:
        yield "your timers run while you are logged in, unless: loginctl enable-linger"
    if scheduled.paused:
        yield f"the schedule is paused; until recur schedule resume {scheduled.name} nothing is run"


def exec_line(command: Sequence[str]) -> str:
    """A command as systemd reads it: its own quotes; ``%`` and ``$`` would stand for something else."""
    return " ".join(_quoted(word) for word in command)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _time_lines(scheduled: Scheduled, now: dt.datetime) -> Iterator[str]:
    for each in on_calendar(scheduled):
        yield f"OnCalendar={each}"
    if instead := moved(scheduled.calendar, now):
        yield "# When clocks go on, systemd passes over the hour that is left out; its end, for some years:"
        yield from (f"OnCalendar={end:%Y-%m-%d %H:%M:%S} UTC" for end in instead)


def on_calendar(scheduled: Scheduled) -> list[str]:
    """The schedule's times in systemd's words; each of them counts.

    Raises:
        ClusterError: it has none.
    """
    fields = CronFields.of(scheduled.calendar)
    months = _numbers(fields.months, 12)
    clock = f"{_numbers(fields.hours, 24)}:{_numbers(fields.minutes, 60)}:00 {scheduled.calendar.zone}"
    lines = []
    for week, days in _days(fields):
        names = "" if week == FULL["weekdays"] else ",".join(_NAMES[each] for each in sorted(week)) + " "
        day = days if isinstance(days, str) else f"-{_numbers(days, 31)}"
        lines.append(f"{names}*-{months}{day} {clock}")
    return lines


def _numbers(values: frozenset[int], all_of_them: int) -> str:
    return "*" if len(values) == all_of_them else spans(values, "{:02}", "..")


def _days(fields: CronFields) -> list[tuple[frozenset[int], _BOTH_DAYS]]:
    """Days of the week with those of the month on which they count; one such pair is enough."""
    month, week = list(_of_month(fields.days)), list(_of_week(fields.weekdays))
    if not fields.both:
        return month + week
    pairs = [
        (these & those, _common(days, others, fields)) for these, days in month for those, others in week
    ]
    return [(names, days) for names, days in pairs if names and days]


def _of_month(days: frozenset[int]) -> Iterator[tuple[frozenset[int], _BOTH_DAYS]]:
    plain = days - {LAST, LAST_WEEKDAY}
    if plain:
        yield FULL["weekdays"], plain
    if LAST in days:
        yield FULL["weekdays"], _LAST_DAY
    if LAST_WEEKDAY in days:  # the last day, or the Friday that only a weekend comes after
        yield frozenset(range(1, 5)), _LAST_DAY
        yield frozenset({5}), "~03/1"


def _of_week(weekdays: frozenset[Weekday]) -> Iterator[tuple[frozenset[int], _BOTH_DAYS]]:
    plain = frozenset(each for each in weekdays if isinstance(each, int))
    if plain:
        yield plain, FULL["days"]
    for each in sorted(each for each in weekdays if not isinstance(each, int)):
        day, number = each
        days = frozenset(range(7 * number - 6, min(7 * number, 31) + 1))
        yield frozenset({day}), _LAST_WEEK if number == LAST else days


def _common(days: _BOTH_DAYS, others: _BOTH_DAYS, fields: CronFields) -> _BOTH_DAYS:
    if days == FULL["days"]:
        return others
    if others == FULL["days"]:
        return days
    if isinstance(days, str) or isinstance(others, str):
        raise ClusterError(
            f"cron: {' '.join(fields.texts)!r} counts days from the month's end and from its beginning "
            "at once, for which systemd has no words; have the schedule run by recur schedule serve"
        )
    return days & others
