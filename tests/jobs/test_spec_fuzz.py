"""Thousands of damaged job files: each is read, or refused in one sentence."""

from __future__ import annotations

import copy
import string
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.errors import JobError
from jobs.jobfile import dump_job, parse_job
from jobs.params import resolve, space_of

EXAMPLES = [
    yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "jobs" / "examples").glob("*.yaml"))
]
FULL = {
    "name": "full",
    "data": {
        "path": "p",
        "time": "t",
        "series": "id",
        "target": ["y", "z"],
        "past": "x",
        "future": ["calendar", "price"],
        "static": ["kind"],
        "missing": "mask",
        "missing_limit": 24,
        "frequency": "1h",
        "short": "pad",
        "memory": "2GB",
        "where": [["x", ">", 1], ["kind", "in", ["a", "b"]]],
        "split": {"validation": "2024-01-01", "test": 24, "gap": 3, "folds": 3},
    },
    "window": {
        "horizon": 3,
        "scale": "min_max",
        "scale_by": "series",
        "transform": "log",
        "output": "sequence",
    },
}
WORDS = st.sampled_from(
    [
        "calendar",
        "standard",
        "gru",
        "1h",
        "0",
        "2024-01-01",
        "null",
        "",
        " ",
        "é",
        "a.b",
        "[",
        "{",
        "1e400",
        "\x00",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | WORDS
    | st.text(string.printable, max_size=12)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=4)
)


def _mappings(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = (
        st.sampled_from(["min", "max", "step", "sampling", "per_layer", "int", "choice", "cell", "units"])
        | SCALARS
    )
    return st.dictionaries(keys.filter(_hashable), values, max_size=4)


def _hashable(value: Any) -> bool:
    return value.__hash__ is not None


DIMENSIONS = st.fixed_dictionaries(
    {},
    optional={
        kind: st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | _mappings(v))
        for kind in ("int", "float", "choice", "boolean")
    },
)
VALUES = st.recursive(SCALARS | DIMENSIONS, lambda v: st.lists(v, max_size=3) | _mappings(v), max_leaves=6)


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is a value in a job file."""
    found = [at] if at else []
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in pairs:
        found += places(value, (*at, key))
    return found


@st.composite
def damaged(draw: Any) -> Any:
    """A job file of which up to three values are others, gone, or under other names."""
    document = copy.deepcopy(draw(st.sampled_from([*EXAMPLES, FULL])))
    for _ in range(draw(st.integers(1, 3))):
        *outer, last = draw(st.sampled_from(places(document)))
        inside = document
        for key in outer:
            inside = inside[key]
        match draw(st.sampled_from(["other", "other", "gone", "renamed"])):
            case "gone" if isinstance(inside, dict):
                del inside[last]
            case "renamed" if isinstance(inside, dict):
                inside[draw(SCALARS.filter(_hashable))] = inside.pop(last)
            case _:
                inside[last] = draw(VALUES)
        if not places(document):
            break
    return document


@settings(max_examples=3000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(document=damaged())
def test_a_damaged_job_file_is_read_or_refused_in_a_sentence(document: Any) -> None:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    try:
        job = parse_job(text, source="job.yaml")
        values = space_of(job).sample(np.random.default_rng(0))
    except JobError as error:
        said = str(error)
        assert said.strip()
        assert "\n" not in said
        assert "Traceback" not in said
        return
    resolve(job, values)
    assert parse_job(dump_job(job), source="spec.yaml") == job  # what is written down is what was read


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    which=st.integers(0, len(EXAMPLES) - 1),
    at=st.floats(0, 1),
    length=st.integers(0, 6),
    instead=st.text(max_size=6),
)
def test_a_job_file_with_other_characters_is_read_or_refused_in_a_sentence(
    which: int, at: float, length: int, instead: str
) -> None:
    text = yaml.safe_dump(EXAMPLES[which], sort_keys=False)
    begin = int(at * len(text))
    said = ""
    try:
        parse_job(text[:begin] + instead + text[begin + length :], source="job.yaml")
    except JobError as error:
        said = str(error)
    assert "\n" not in said
