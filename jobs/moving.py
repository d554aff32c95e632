"""Values of ``data.where`` that move with time, as ``{last 90 days}`` does, and the moment they are of."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from jobs.errors import JobError

if TYPE_CHECKING:  # whoever reads a job file need not wait for it
    import pandas as pd

_UNITS = ("hour", "day", "week", "month", "year")
_LAST = re.compile(rf"last ([1-9]\d{{0,5}}) ({'|'.join(_UNITS)})s?")
_DAYS_BACK = {"today": 0, "yesterday": 1}
_KNOWN = ("now", *_DAYS_BACK, "last 90 days")
_ZONED = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


@dataclass(frozen=True)
class Instant:
    """What a moving value came to, in ISO's form: in UTC, and as the clocks of its zone show it."""

    utc: str
    clock: str


def moving(value: Any) -> bool:
    """Whether a condition's value is one that moves."""
    return isinstance(value, str) and value.startswith("{") and value.endswith("}")


def as_moving(value: Any) -> Any:
    """A value as YAML has it; one that moves as its text: without quotes YAML reads it as a mapping.

    Raises:
        ValueError: there is no such moving value.
    """
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        value = f"{{{next(iter(value))}}}"
    if not moving(value):
        return value
    asked = " ".join(value[1:-1].split())
    if asked not in _KNOWN and not _LAST.fullmatch(asked):
        near = difflib.get_close_matches(asked, (*_KNOWN, *(f"last 1 {unit}" for unit in _UNITS)), n=1)
        hint = f"; did you mean {{{near[0]}}}?" if near else ""
        known = ", ".join(f"{{{name}}}" for name in _KNOWN)
        raise ValueError(
            f"no moving value {value!r}; there are {known} (and so with hours, weeks, months, years){hint}"
        )
    return f"{{{asked}}}"


def resolved(value: str, as_of: str) -> Instant:
    """What a moving value is at a moment.

    Days, weeks, months and years are counted by the calendar and the clock of the moment's zone, so that they
    begin and end at the same time of day; hours are as long as any.

    Raises:
        JobError: it lies outside the years that can be written down.
    """
    import pandas as pd

    try:
        found = _back_from(moment(as_of), value[1:-1]).as_unit("ns")
        return Instant(found.tz_convert("UTC").isoformat(), found.tz_localize(None).isoformat())
    except (pd.errors.OutOfBoundsDatetime, OverflowError, ValueError):
        raise JobError(f"data.where: {value} of {as_of} lies outside the years 1678 to 2261") from None


def _back_from(now: pd.Timestamp, asked: str) -> pd.Timestamp:
    import pandas as pd

    if asked == "now":
        return now
    wall = now.tz_localize(None)
    if asked in _DAYS_BACK:
        return _placed(wall.normalize() - pd.DateOffset(days=_DAYS_BACK[asked]), now)
    _, count, unit = asked.split()
    unit = unit.removesuffix("s")
    if unit == "hour":
        return now - pd.Timedelta(hours=int(count))
    back: dict[str, Any] = {f"{unit}s": int(count)}
    return _placed(wall - pd.DateOffset(**back), now)


def _placed(wall: pd.Timestamp, now: pd.Timestamp) -> pd.Timestamp:
    """What a clock shows as a moment: of two the first, and of a time that clocks skip the end of the gap."""
    return wall.tz_localize(now.tz, ambiguous=True, nonexistent="shift_forward")


def moment(as_of: str) -> pd.Timestamp:
    """What a job's ``as_of`` means, in its zone."""
    import pandas as pd

    zoned = _ZONED.fullmatch(as_of)
    found = pd.Timestamp(dt.datetime.fromisoformat(zoned[1] if zoned else as_of))  # pandas reads no +00:53:28
    return found.tz_convert(zoned[2]) if zoned else found


def written(value: Any) -> str:
    """A moment as a job has it: in ISO's form, with its offset, and its zone in brackets where that is given.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, dt.date):
        value = value.isoformat()  # as YAML reads what is not quoted
    try:
        zoned = _ZONED.fullmatch(value)
        found = dt.datetime.fromisoformat(zoned[1] if zoned else value)
        found = found if found.tzinfo or zoned else found.replace(tzinfo=dt.UTC)
        if zoned is None:
            return found.isoformat()
        zone = ZoneInfo(zoned[2])
        found = found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)
        return f"{found.isoformat()}[{zone.key}]"
    except (ValueError, TypeError, OverflowError, OSError, LookupError):
        raise ValueError(
            "write a date and time such as 2026-11-28T02:00:00+01:00, or with the zone whose clocks count "
            f"2026-11-28T02:00:00+01:00[Europe/Berlin]; found {value!r}"
        ) from None


Moment = Annotated[str, BeforeValidator(written)]


def now() -> str:
    """The present moment, in UTC and whole seconds, as a job has it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()
