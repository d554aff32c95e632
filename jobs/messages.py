"""Turns what pydantic finds wrong into one sentence a user can act on."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_TAKES = {"model_type": "named fields", "tuple_type": "a name or a list of names"}
_OWN_WORDS = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}


def sentence(error: ValidationError, model: Any = None) -> str:
    """The first problem in words, with the dotted field and, for an unknown key, the nearest valid one.

    An unknown key goes before all others: it is why the right one is missing.
    ``model`` is the class that was being validated; without it an unknown key names no neighbour.
    """
    problems = error.errors(include_url=False)
    problem = next((found for found in problems if found["type"] == "extra_forbidden"), problems[0])
    where = ".".join(str(part) for part in problem["loc"] if not _is_tag(part))
    kind, found = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        what = "unknown key" + _neighbour(model, problem["loc"])
    elif kind == "missing":
        what = "is required and not given"
    elif kind in _OWN_WORDS:
        what = problem["msg"].removeprefix(_OWN_WORDS[kind])
    elif kind in _TAKES:
        what = f"takes {_TAKES[kind]}, found {found!r}"
    else:
        what = f"{problem['msg'][0].lower()}{problem['msg'][1:]}, found {found!r}"
    rest = error.error_count() - 1
    more = f" (and {rest} more problem{'s' if rest > 1 else ''})" if rest else ""
    return (f"{where}: {what}" if where else what) + more


def _is_tag(part: int | str) -> bool:
    """Union members appear in pydantic's locations; no field is called like them."""
    return part in {"list", "count", "stack", "built"}


def _neighbour(model: Any, location: tuple[int | str, ...]) -> str:
    for part in location[:-1]:
        model = model if _is_tag(part) else _field_model(model, part)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    valid = list(model.model_fields)
    near = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; valid keys are {', '.join(valid)}"


def _field_model(model: Any, part: int | str) -> Any:
    """The model class found at ``part`` of ``model``: a field's own type or one inside its union or tuple."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
        return model
    found = list(_classes(model.model_fields[str(part)].annotation))
    return found[0] if found else None


def _classes(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if "kind" not in vars(annotation):  # a dimension of the space is no section of the job file
            yield annotation
        return
    for inner in get_args(annotation):
        yield from _classes(inner)
