"""What the job file's sections are made of: fields that hold a fixed value or a search over many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from jobs.dimensions import KINDS, Boolean, Choice, Dimension, Float, Int, parse_dimension
from jobs.messages import sentence

T = TypeVar("T")
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the job file: unknown keys are errors and nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Searched:
    """Lets a field hold a fixed value or a dimension all of whose values the field would accept."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fixed = handler.generate_schema(source.__args__[0])
        written = core_schema.plain_serializer_function_ser_schema(as_written)
        return core_schema.no_info_wrap_validator_function(_fixed_or_searched, fixed, serialization=written)


def _fixed_or_searched(raw: Any, fixed: Any) -> Any:
    if isinstance(raw, Int | Float | Choice | Boolean):
        return raw
    if not isinstance(raw, Mapping):
        return fixed(raw)
    try:
        dimension = parse_dimension(raw)
    except ValidationError as error:
        kind = next(key for key in raw if key in KINDS)
        raise ValueError(sentence(error, KINDS[kind])) from None
    for value in dimension.probes():
        try:
            fixed(value)
        except ValidationError as error:
            raise ValueError(f"the search may give {value!r}: {sentence(error)}") from None
    return dimension


def without_secrets(uri: str) -> str:
    """A path or URI that may be written down and shown."""
    asked = urlsplit(uri)
    if "://" in uri and (asked.password is not None or asked.username not in {None, "anonymous"}):
        raise ValueError(
            "no key or password stands in a URI, which is written down and shown; "
            "put it into the environment (AWS_ACCESS_KEY_ID and the like)"
        )
    return uri


def one_or_many(value: Any) -> Any:
    """A field that is a tuple, as people write it: a list, or the only one of it."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def as_written(value: Any) -> Any:
    """A field's value as a job file has it."""
    return value.describe() if isinstance(value, Int | Float | Choice | Boolean) else value


Searchable = Annotated[T | Dimension, Searched()]


def possible(field: Any) -> list[Any]:
    """The values that a field may have: its own, or those that a search is certain to be able to give."""
    return list(field.probes()) if isinstance(field, Int | Float | Choice | Boolean) else [field]
