"""The job file's ``schedule``, ``promote`` and ``notify``: for a job that is run again and again."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from jobs.messages import sentence
from jobs.searchable import Positive, Section, one_or_many, without_secrets

_ADDRESS = re.compile(r"https?://[^\s/]+")
Told = Literal["promoted", "kept", "failed", "drift"]


class Drift(Section):
    """How far new data may be from those that the champion was trained on, column by column.

    A week of summer is nothing like a year: by what is usual in the seasons of a real series (ETTh1's) the
    defaults are wide, and stand for another unit, a sensor that is stuck, or a level that was never there.
    """

    scale: Annotated[float, Field(gt=1)] = 10.0  # times the standard deviation, or its inverse
    missing: Annotated[float, Field(gt=0, le=1)] = 0.1  # more of the values missing
    shift: Annotated[float, Field(gt=0, le=1)] = 0.95  # distance of the distributions (Kolmogorov-Smirnov)
    refuse: bool = False  # to train on such data; else it is only told


class Rules(Section):
    """What becomes of the times at which a schedule is due, and of the sweeps that it has run."""

    overlap: Literal["skip", "queue", "replace"] = "skip"  # where the run before is not over
    missed: Literal["skip", "once"] = "once"  # where nobody ran the schedule at its time
    time_limit: Annotated[float, Field(gt=0)] | None = None  # seconds of a sweep; what it found then counts
    retries: Annotated[int, Field(ge=0)] = 1  # of a run that failed
    retry_wait: Annotated[float, Field(ge=0)] = 60.0  # seconds before the first of them; then twice as many
    keep: Positive = 10  # sweeps; the champion's and the one before it stay besides
    unchanged: Literal["skip", "run"] = "skip"  # data in which nothing is new since the last run
    drift: Drift = Drift()


class Promote(Section):
    """When a challenger replaces the champion."""

    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01  # share of the champion's error that it is to be below
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95  # that it is, by a block bootstrap


class Reference(Section):
    """Where a secret is found."""

    env: Annotated[str, Field(min_length=1)] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("write the name of a variable (env) or the path of a file (file)")
        return self


def _webhook(raw: Any) -> Any:
    """A web address, or where it is found."""
    if isinstance(raw, dict):
        try:
            return Reference.model_validate(raw)
        except ValidationError as error:
            raise ValueError(sentence(error, Reference)) from None
    if not isinstance(raw, str | Reference) or (isinstance(raw, str) and not _ADDRESS.match(raw)):
        # What was found is not shown: it may be a secret.
        raise ValueError("write an address such as https://host/path, or {env: NAME} or {file: PATH}")
    return without_secrets(raw) if isinstance(raw, str) else raw


class Notice(Section):
    """Whom to tell of what came of a run: a web address, which may be a secret, or a command."""

    webhook: Annotated[str | Reference, BeforeValidator(_webhook)] | None = None
    command: tuple[str, ...] | None = None  # is given the JSON document on its standard input
    format: Literal["json", "slack"] = "json"
    on: tuple[Told, ...] = ("promoted", "kept", "failed", "drift")

    @field_validator("on", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return one_or_many(value)

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Words, or a line as a shell splits it."""
        return tuple(shlex.split(value)) if isinstance(value, str) else one_or_many(value)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.webhook is None) == (self.command is None):
            raise ValueError("a notice goes to a webhook or to a command; give one of them")
        if self.command is not None and not self.command:
            raise ValueError("command names nothing to run")
        return self


def notices(raw: Any) -> Any:
    """One notice, or a list of them."""
    if isinstance(raw, dict):
        return (raw,)
    return tuple(raw) if isinstance(raw, list) else raw
