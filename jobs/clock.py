"""What the clocks on the wall show: times in the zone of their series, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jobs.errors import JobError

Times = npt.NDArray[np.int64]

DAY = 86_400_000_000_000  # nanoseconds
_ZONE = re.compile(r"tz=(.*)\]$")
_FIRST, _LAST = (pd.Timestamp(f"{year}-01-01").as_unit("ns").value for year in (1678, 2262))


def zone_of(time_type: str) -> str | None:
    """The zone that a panel's type of times names, if it does."""
    named = _ZONE.search(time_type)
    return named[1] if named else None


def known_zone(zone: str) -> bool:
    """Whether there is such a zone."""
    try:
        pd.Timestamp(0, tz=zone)
    except (KeyError, ValueError, TypeError, OSError):
        return False
    return True


def check_clock(what: str, found: str, wanted: str, whose: str, *, strict: bool) -> None:
    """See that times can be held against others: both are numbers, or both name a zone, or neither does.

    Where what clocks show matters, ``strict``, the zones are the same.

    Raises:
        JobError: says of what which times are of another kind than whose.
    """
    zones = zone_of(found), zone_of(wanted)
    alike = found == wanted if strict else (zones[0] is None) == (zones[1] is None)
    if not alike or (found == "int64") != (wanted == "int64"):
        raise JobError(
            f"{what}: its times are {_in_words(found)}, {whose} {_in_words(wanted)}; write them alike"
        )


def _in_words(time_type: str) -> str:
    zone = zone_of(time_type)
    return (
        "whole numbers" if time_type == "int64" else f"in the time zone {zone}" if zone else "without a zone"
    )


def wall(times: Any, zone: str | None) -> Times:
    """Nanoseconds since 1970 in UTC as those that the zone's clocks show; without a zone as they are.

    Raises:
        JobError: a time lies outside the years 1678 to 2261.
    """
    times = np.asarray(times, np.int64)
    _check_years(times)
    if zone is None or not len(times):
        return times
    stamps = pd.DatetimeIndex(times.view("M8[ns]")).tz_localize("UTC").tz_convert(zone)
    return np.asarray(stamps.tz_localize(None).asi8, np.int64)


def instants(shown: Any, zone: str | None) -> Times:
    """What ``wall`` was made of; of two the first, and of a time that clocks skip the next that they show.

    Raises:
        JobError: as ``wall``.
    """
    shown = np.asarray(shown, np.int64)
    _check_years(shown)
    if zone is None or not len(shown):
        return shown
    stamps = pd.DatetimeIndex(shown.view("M8[ns]"))
    first = np.ones(len(shown), bool)
    local = stamps.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return np.asarray(local.tz_convert("UTC").tz_localize(None).asi8, np.int64)


def in_years(times: Times) -> bool:
    """Whether all of them, in nanoseconds, lie in the years 1678 to 2261, which are whole in 64 bits."""
    return not len(times) or bool(times.min() >= _FIRST and times.max() < _LAST)


def _check_years(times: Times) -> None:
    if not in_years(times):
        raise JobError("the data has times outside the years 1678 to 2261")
