"""``model.build``: a network that a user's function builds, and what was found out about that function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, field_validator, model_validator

from jobs.dimensions import Boolean, Choice, Dimension, Float, Int, Scalar, parse_dimension
from jobs.searchable import Section, as_written
from jobs.space import Condition, Parameter

# Fields of ``train`` that say what a network is compiled with.
COMPILED = {"optimizer", "learning_rate", "schedule", "clip_norm", "loss", "quantile", "precision"}
_WRITTEN = re.compile(r"[^:]+:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _dimension(raw: Any) -> Dimension:
    if isinstance(raw, Int | Float | Choice | Boolean):
        return raw
    if not isinstance(raw, Mapping):
        raise ValueError(f"is one of int, float, choice and boolean, found {raw!r}")  # noqa: TRY004 - pydantic's
    return parse_dimension(raw)


_Scalars = Annotated[tuple[Scalar, ...], Field(strict=False)]


class Given(Section):
    """A condition: the hyperparameter ``name`` has one of ``values``."""

    name: str
    values: _Scalars


class Asked(Section):
    """A hyperparameter that the function asks for, its default, and the conditions under which it exists."""

    name: str
    values: Annotated[Dimension, PlainValidator(_dimension), PlainSerializer(as_written)]
    default: Scalar = (
        None  # None: the least, or the first of a list, as of what was found before there were any
    )
    when: Annotated[tuple[Given, ...], Field(strict=False)] = ()

    def parameter(self) -> Parameter:
        """The same for a search space."""
        when = tuple(Condition(each.name, each.values) for each in self.when)
        return Parameter(self.name, self.values, when=when, default=self.default)


class Compiled(Section):
    """What the function compiles its networks with; None where that depends on the hyperparameters."""

    optimizer: str | None
    learning_rate: float | None
    loss: str | None


class Found(Section):
    """What building networks showed, once, when the sweep began.

    Attributes:
        kind: a Keras network, or a scikit-learn regressor.
        asks: what the function asks of ``hp``, in its order.
        compiled: None: ``train`` says how networks are trained.
    """

    kind: Literal["keras", "regressor"]
    asks: Annotated[tuple[Asked, ...], Field(strict=False)]
    compiled: Compiled | None


class Built(Section):
    """A KerasTuner hypermodel: ``module:function``, or ``module:Class``, as it is."""

    build: str
    folder: str | None = None  # where the module is looked for first; null: the job file's
    found: Found | None = None  # written when a sweep begins; a job file leaves it out

    @model_validator(mode="before")
    @classmethod
    def _decides_alone(cls, raw: Any) -> Any:
        others = sorted(set(raw) - set(cls.model_fields)) if isinstance(raw, Mapping) else []
        if others:
            raise ValueError(f"build decides on the whole network; leave {', '.join(others)} out")
        return raw

    @field_validator("build")
    @classmethod
    def _names_a_function(cls, build: str) -> str:
        if not _WRITTEN.fullmatch(build):
            raise ValueError(
                f"names a module and a function or class in it, such as mymodule:build_model, found {build!r}"
            )
        return build

    def check_train(self, train: Section) -> None:
        """See that a job does not contradict what the function compiles.

        Raises:
            ValueError: it does, in a field that it writes.
        """
        compiled = self.found and self.found.compiled
        for field in sorted(COMPILED & train.model_fields_set) if compiled else ():
            written = getattr(train, field)
            if written != getattr(compiled, field, type(train).model_fields[field].default):
                raise ValueError(
                    f"train.{field}: {self.build} compiles its networks itself, not with "
                    f"{as_written(written)}; leave train.{field} out, or the compile"
                )
