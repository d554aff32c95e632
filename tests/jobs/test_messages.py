"""One sentence for the first of pydantic's findings, and how many more there are."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jobs.messages import sentence


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    depth: Annotated[int, Field(ge=0)] = 0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: str = ""
    inner: Inner | None = None
    listed: tuple[Inner, ...] = ()

    @field_validator("word")
    @classmethod
    def _short(cls, word: str) -> str:
        if len(word) > 3:
            raise ValueError("at most three letters")
        return word


def found(raw: Any, model: Any = Outer) -> str:
    with pytest.raises(ValidationError) as error:
        Outer.model_validate(raw)
    return sentence(error.value, model)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"wrd": ""}, "wrd: unknown key; did you mean word?"),
        ({"xyz": ""}, "xyz: unknown key; valid keys are word, inner, listed"),
        ({"inner": {"dept": 1}}, "inner.dept: unknown key; did you mean depth?"),
        ({"listed": [{}, {"dpth": 1}]}, "listed.1.dpth: unknown key; did you mean depth?"),
        ({"word": "four"}, "word: at most three letters"),
        ({"word": 3}, "word: input should be a valid string, found 3"),
        ({"inner": 3}, "inner: takes named fields, found 3"),
        ({"listed": 3}, "listed: takes a name or a list of names, found 3"),
        (
            {"inner": {"depth": -1}},
            "inner.depth: input should be greater than or equal to 0, found -1",
        ),
        ({"word": 3, "inner": 1}, "word: input should be a valid string, found 3 (and 1 more problem)"),
        (
            {"word": 3, "inner": 1, "listed": [{"depth": -1}]},
            "word: input should be a valid string, found 3 (and 2 more problems)",
        ),
        ({"inner": 1, "wrd": ""}, "wrd: unknown key; did you mean word? (and 1 more problem)"),
    ],
)
def test_the_first_problem_is_told_with_its_field(raw: Any, expected: str) -> None:
    assert found(raw) == expected


def test_without_the_model_an_unknown_key_has_no_neighbour() -> None:
    assert found({"wrd": ""}, model=None) == "wrd: unknown key"


def test_a_problem_of_the_whole_has_no_field() -> None:
    assert found(3) == "takes named fields, found 3"
