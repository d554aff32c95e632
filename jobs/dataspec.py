"""The job file's ``data`` section: which series, from which columns, split how."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from jobs.moving import Moment
from jobs.searchable import Positive, Section, one_or_many, without_secrets
from jobs.where import Where


class Split(Section):
    """How much of each series' end is for validation and, after it, for the test.

    A fraction below 1 is a share of the series' length; a whole number is a count of time steps; a date is
    where the part begins.  ``gap`` steps before a part belong to none.

    With several ``folds`` there are as many validation parts of that length, one before the other, and each
    is for a model trained on what lies before it: rolling-origin evaluation (Tashman 2000).
    """

    validation: float | str = 0.2
    test: float | str = 0.2
    gap: Annotated[int, Field(ge=0)] = 0
    folds: Positive = 1

    @field_validator("validation", "test", mode="before")
    @classmethod
    def _share_or_steps_or_date(cls, value: Any) -> Any:
        if isinstance(value, dt.date):
            value = str(value)
        if isinstance(value, str):
            return _date(value)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or value < 0
            or not math.isfinite(value)
        ):
            raise ValueError(
                f"write a fraction between 0 and 1, a number of time steps or a date, found {value!r}"
            )
        if value >= 1 and value != int(value):
            raise ValueError("a number of time steps is whole; a fraction lies between 0 and 1")
        return float(value)

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        parts = self.folds * (self.validation,) + (self.test,)
        shares = sum(part for part in parts if not isinstance(part, str) and part < 1)
        if shares > 1 - 1e-9:
            folds = f" ({self.folds} folds)" if self.folds > 1 else ""
            raise ValueError(
                f"validation{folds} and test together take {shares:g} of every series; leave some to train on"
            )
        if self.validation == 0:
            raise ValueError("validation is 0, so no trial could be scored; give it a fraction or time steps")
        both = isinstance(self.validation, str) and isinstance(self.test, str)
        if both and _aware(str(self.validation)) >= _aware(str(self.test)):
            raise ValueError(f"validation begins at {self.validation}, not before the test at {self.test}")
        return self

    @model_serializer(mode="plain")
    def _whole_steps(self) -> dict[str, float | int | str]:
        parts = (("validation", self.validation), ("test", self.test))
        whole = {name: int(p) if not isinstance(p, str) and p >= 1 else p for name, p in parts}
        return whole | {"gap": self.gap, "folds": self.folds}


def _date(text: str) -> str:
    try:
        _aware(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"write a fraction between 0 and 1, a number of time steps or a date, found {text!r}"
        ) from None
    return text


def _aware(text: str) -> dt.datetime:
    """A date and time in ISO's form; in UTC, if it names no zone."""
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


CALENDAR = "calendar"  # among the future covariates: features of the date and the time of day


def _frequency(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    from pandas.tseries.frequencies import to_offset

    try:
        step = to_offset(value) if isinstance(value, str) else None
    except ValueError:
        step = None
    if step is None or step.n < 1:
        raise ValueError(
            "a frequency is a time between steps such as 15min, 1h, 1D, 1MS, or a whole number for times "
            f"that are whole numbers; found {value!r}"
        )
    return value


Frequency = Annotated[str | int, BeforeValidator(_frequency)]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)")


def _bytes(value: Any) -> Any:
    match = _SIZE.fullmatch(value.strip().upper()) if isinstance(value, str) else None
    if match:
        value = int(float(match[1]) * _UNITS[match[2]])
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"a size is a number of bytes, or one with a unit such as 500MB or 2GB; found {value!r}"
        )
    return value


Size = Annotated[int, BeforeValidator(_bytes)]


class Data(Section):
    """Which series to forecast, and from what."""

    path: Annotated[str, Field(min_length=1), AfterValidator(without_secrets)]
    time: str
    series: str | None = None
    target: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    short: Literal["error", "leave_out", "pad"] = "error"  # what becomes of series that hold no whole window
    missing: Literal["error", "interpolate", "forward", "mask"] = "error"  # what becomes of missing values
    missing_limit: Positive | None = None  # steps in a row that are filled at most; null: any
    frequency: Frequency | None = None  # between steps, that all series are brought to; null: as they are
    memory: Size | None = None  # of the panel, that a process keeps at most; null: a quarter of the node's
    where: Where = ()  # conditions that the rows which are read fulfil; {today}, {last 90 days} … move
    as_of: Moment | None = None  # the moment that what moves in them is of; null: when the sweep begins
    split: Split = Split()
    season: Positive | None = None  # steps in a season, for the naive baseline; None: from the frequency

    @field_validator("target", "past", "future", "static", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return one_or_many(value)

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        if not self.target:
            raise ValueError("target names no column")
        if self.missing_limit is not None and self.missing == "error":
            raise ValueError(
                "missing_limit is for values that are filled; say how by missing, or leave it out"
            )
        seen: dict[str, str] = {}
        roles = (("time", (self.time,)), ("series", (self.series,) if self.series else ()))
        covariates = ((role, getattr(self, role)) for role in ("target", "past", "future", "static"))
        for role, columns in (*roles, *covariates):
            for column in columns:
                if column in seen:
                    raise ValueError(
                        f"column {column!r} is listed under {seen[column]} and again under {role}"
                    )
                seen[column] = role
        return self
