"""The job file's ``data`` section: which series, from which columns, split how."""

from __future__ import annotations

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

from jobs.searchable import Positive, Section, without_secrets
from jobs.where import Where


class Split(Section):
    """How much of each series' end is for validation and, after it, for the test.

    A fraction below 1 is a share of the series' length; a whole number is a count of time steps.
    """

    validation: float = 0.2
    test: float = 0.2

    @field_validator("validation", "test", mode="before")
    @classmethod
    def _share_or_steps(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value < 0 or not math.isfinite(value):
                raise ValueError("write a fraction between 0 and 1 or a number of time steps")
            if value >= 1 and value != int(value):
                raise ValueError("a number of time steps is whole; a fraction lies between 0 and 1")
        return value

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        shares = sum(part for part in (self.validation, self.test) if part < 1)
        if shares >= 1:
            raise ValueError(
                f"validation and test together take {shares:g} of every series; leave some to train on"
            )
        if self.validation == 0:
            raise ValueError("validation is 0, so no trial could be scored; give it a fraction or time steps")
        return self

    @model_serializer(mode="plain")
    def _whole_steps(self) -> dict[str, float | int]:
        return {
            name: int(part) if part >= 1 else part
            for name, part in (("validation", self.validation), ("test", self.test))
        }


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
    short: Literal["error", "leave_out"] = "error"  # what becomes of series that hold no whole window
    memory: Size | None = None  # of the panel, that a process keeps at most; null: a quarter of the node's
    where: Where = ()  # conditions that the rows which are read fulfil
    split: Split = Split()
    season: Positive | None = None  # steps in a season, for the naive baseline; None: from the frequency

    @field_validator("target", "past", "future", "static", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        if not self.target:
            raise ValueError("target names no column")
        for name in ("future", "static"):
            if getattr(self, name):
                raise ValueError(f"{name} covariates cannot be used yet; leave data.{name} empty")
        seen: dict[str, str] = {}
        roles = (("time", (self.time,)), ("series", (self.series,) if self.series else ()))
        for role, columns in (*roles, ("target", self.target), ("past", self.past)):
            for column in columns:
                if column in seen:
                    raise ValueError(
                        f"column {column!r} is listed under {seen[column]} and again under {role}"
                    )
                seen[column] = role
        return self
