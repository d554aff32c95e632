"""The values a search may choose from, in KerasTuner's terms.

A *dimension* is the set of values of one hyperparameter: ``Int``, ``Float``, ``Choice`` or ``Boolean``
with KerasTuner's argument names (``min``, ``max``, ``step``, ``sampling``).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:  # what reads a sweep's job is to start at once
    import numpy as np

Scalar = bool | int | float | str | None

_FLOAT_DIGITS = 12  # significant ones; enough for any step a person writes


class _Dimension(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: ClassVar[str]
    per_layer: bool = False

    def values(self) -> list[Scalar] | None:
        """Every value in order, or None where there are infinitely many."""
        raise NotImplementedError

    def count(self) -> float:
        """How many values there are; ``inf`` where they are not countable."""
        values = self.values()
        return math.inf if values is None else len(values)

    def at(self, index: int) -> Scalar:
        """The value before which there are ``index`` others."""
        values = self.values()
        assert values is not None, "continuous dimensions have no order"  # noqa: S101
        return values[index]

    def sample(self, rng: np.random.Generator) -> Scalar:
        """One value, each as likely as any other (in log space where ``sampling: log``)."""
        values = self.values()
        assert values is not None, "continuous dimensions sample themselves"  # noqa: S101
        return values[int(rng.integers(len(values)))]

    def probes(self) -> list[Scalar]:
        """The values that must be valid for all of them to be: the ends of a range, every choice."""
        raise NotImplementedError

    def nearest(self, value: Scalar) -> Scalar:
        """The value itself if it is one of these; else the nearest number, or the first of a list."""
        values = self.values() or []
        same = (each for each in values if type(each) is type(value) and each == value)
        return next(same, values[0] if values else None)

    def describe(self) -> dict[str, Any]:
        """The dimension as a job file writes it."""
        body = self.model_dump(exclude_defaults=True, exclude={"per_layer"})
        return {self.kind: body} | ({"per_layer": True} if self.per_layer else {})


class _Range(_Dimension):
    min: float
    max: float
    step: float | None = None
    sampling: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _holds_values(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"the range is empty: min={self.min} is above max={self.max}; swap them")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"sampling: log needs min above 0, found min={self.min}")
        if self.step is not None:
            self._check_step(self.step)
        return self

    def _check_step(self, step: float) -> None:
        floor = 1 if self.sampling == "log" else 0
        if step <= floor:
            raise ValueError(f"step must be above {floor}, found step={step}")
        last = self._last_multiple(step)
        if not math.isclose(last, self.max, rel_tol=1e-9, abs_tol=1e-12):
            raise ValueError(
                f"step={step} from min={self.min} never reaches max={self.max}; "
                f"the last value is {last:.12g}: write max: {last:.12g} or another step"
            )

    def _last_multiple(self, step: float) -> float:
        if self.sampling == "log":
            count = math.floor(math.log(self.max / self.min, step) + 1e-9)
            return float(self.min * step**count)
        return float(self.min + step * math.floor((self.max - self.min) / step + 1e-9))

    def _stepped(self, step: float) -> list[float]:
        if self.sampling == "log":
            count = round(math.log(self.max / self.min, step))
            return [float(self.min * step**i) for i in range(count + 1)]
        count = round((self.max - self.min) / step)
        return [float(self.min + step * i) for i in range(count + 1)]

    def probes(self) -> list[Scalar]:
        return [self.min, self.max]

    def nearest(self, value: Scalar) -> Scalar:
        """The nearest number of the range; its least for what is no number."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            value = self.min
        inside = min(max(value, self.min), self.max)
        if self.step is None:
            return round(inside) if isinstance(self.min, int) else float(inside)
        return min(self.values() or [], key=lambda each: abs(float(each or 0) - inside))


class Int(_Range):
    """Whole numbers from ``min`` to ``max``, both included; ``step`` multiplies where sampling is log."""

    kind = "int"
    min: int
    max: int
    step: int | None = None

    def values(self) -> list[Scalar] | None:
        """Every whole number of the range, in order."""
        if self.step is None or self.sampling == "linear":
            return list(range(self.min, self.max + 1, self.step or 1))
        return [round(value) for value in self._stepped(self.step)]

    def count(self) -> float:
        """How many whole numbers the range holds."""
        if self.step is None or self.sampling == "linear":
            return (self.max - self.min) // (self.step or 1) + 1
        return super().count()

    def at(self, index: int) -> Scalar:
        """The whole number before which there are ``index`` others, without a list of a billion of them."""
        if self.step is None or self.sampling == "linear":
            return self.min + (self.step or 1) * index
        return super().at(index)

    def sample(self, rng: np.random.Generator) -> Scalar:
        """A whole number; without a step and in log space, dense near ``min``."""
        if self.sampling == "log" and self.step is None:
            low, high = math.log(self.min), math.log(self.max + 1)
            return min(self.max, max(self.min, int(math.exp(rng.uniform(low, high)))))
        if self.sampling == "linear":
            return self.at(int(rng.integers(int(self.count()))))
        return super().sample(rng)


class Float(_Range):
    """Real numbers from ``min`` to ``max``; with a ``step`` only its multiples."""

    kind = "float"

    def values(self) -> list[Scalar] | None:
        """The steps in order, or None for a continuous range."""
        if self.step is None:
            return [self.min] if self.min == self.max else None
        return [self._tidy(value) for value in self._stepped(self.step)]

    def _tidy(self, value: float) -> float:
        """The number that a person would write: 0.3, not 0.30000000000000004, and always inside the range."""
        size = abs(value) if self.sampling == "log" else max(abs(self.min), abs(self.max))
        digits = _FLOAT_DIGITS - math.ceil(math.log10(size)) if size else _FLOAT_DIGITS
        return min(self.max, max(self.min, round(value, digits)))

    def sample(self, rng: np.random.Generator) -> Scalar:
        """A step, or a uniform (log-uniform) number of a continuous range."""
        if self.step is not None or self.min == self.max:
            return super().sample(rng)
        if self.sampling == "log":
            found = math.exp(rng.uniform(math.log(self.min), math.log(self.max)))
            return min(self.max, max(self.min, found))  # exp(log(x)) may miss x by a bit
        return float(rng.uniform(self.min, self.max))


class Choice(_Dimension):
    """One of a list of values."""

    kind = "choice"
    options: tuple[Scalar, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if not self.options:
            raise ValueError("choice needs at least one value, found an empty list")
        if len({(type(option), option) for option in self.options}) < len(self.options):
            raise ValueError(f"choice lists a value twice: {list(self.options)}")
        return self

    def values(self) -> list[Scalar] | None:
        """The options in the order they were written."""
        return list(self.options)

    def probes(self) -> list[Scalar]:
        """Every option."""
        return list(self.options)

    def describe(self) -> dict[str, Any]:
        """The dimension as a job file writes it."""
        return {"choice": list(self.options)} | ({"per_layer": True} if self.per_layer else {})


class Boolean(_Dimension):
    """True or false."""

    kind = "boolean"

    def values(self) -> list[Scalar] | None:
        """False, then true."""
        return [False, True]

    def probes(self) -> list[Scalar]:
        """Both."""
        return [False, True]


Dimension = Int | Float | Choice | Boolean
KINDS: dict[str, type[Int | Float | Choice | Boolean]] = {
    "int": Int,
    "float": Float,
    "choice": Choice,
    "boolean": Boolean,
}


def parse_dimension(raw: Mapping[str, Any]) -> Dimension:
    """Read ``{int: {min: 1, max: 3}}`` and its like.

    Raises:
        ValueError: no kind or more than one is named, or its arguments do not make sense.
    """
    kinds = [key for key in raw if key in KINDS]
    others = [key for key in raw if key not in KINDS and key != "per_layer"]
    if len(kinds) != 1 or others:
        found = ", ".join(map(str, raw)) or "nothing"
        near = difflib.get_close_matches(str(others[0]), KINDS, n=1) if others else []
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"a searched value is one of {', '.join(KINDS)}, found {found}{hint}")
    kind, body = kinds[0], raw[kinds[0]]
    if kind == "choice":
        if not isinstance(body, list):
            raise ValueError(f"choice takes a list of values, found {body!r}")
        unfit = next((option for option in body if not isinstance(option, Scalar)), None)
        if unfit is not None:
            raise ValueError(f"choice lists single values, found {unfit!r}")
        fields: dict[str, Any] = {"options": tuple(body)}
    elif body is None or isinstance(body, Mapping):
        fields = dict(body or {})
    else:
        raise ValueError(f"{kind} takes named arguments such as {{min: 1, max: 3}}, found {body!r}")
    if "per_layer" in raw:
        fields["per_layer"] = raw["per_layer"]
    return KINDS[kind].model_validate(fields)
