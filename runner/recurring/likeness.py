"""Whether two models can stand in for each other: what they take and what they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.panel import Panel
from jobs.signature import Signature, input_of, known_columns
from jobs.spec import Job


@dataclass(frozen=True)
class Differences:
    """In what two models, or a model and a job, are not alike, in words; false where they are.

    Attributes:
        outputs: in what they give.
        inputs: in what they take.
    """

    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.said)

    @property
    def said(self) -> str:
        """All of them."""
        return "; ".join(self.outputs + self.inputs)


def differences(signature: Signature, job: Job, panel: Panel) -> Differences:
    """In what a model is not one for the job and its panel."""
    ahead = input_of(signature, "future")
    pairs = (
        ("inputs", signature["inputs"][0]["columns"], panel.inputs),
        ("columns known ahead", ahead["columns"] if ahead else [], known_columns(panel)),
    )
    wanted = {
        "horizon": str(job.window.horizon),
        "target": ", ".join(panel.columns[: panel.targets]),
        "frequency": panel.frequency(),
    }
    inputs = tuple(
        f"its {what} are {', '.join(its) or 'none'}, the job's {', '.join(jobs) or 'none'}"
        for what, its, jobs in pairs
        if list(its) != list(jobs)
    )
    return Differences(unlike(outputs(signature), wanted, "the job's"), inputs)


def outputs(signature: Signature) -> dict[str, str]:
    """What a model gives, as whoever reads its forecasts has to know it."""
    (out,) = signature["outputs"]
    return {
        "horizon": str(out["shape"][1]),
        "target": ", ".join(out["columns"]),
        "frequency": signature["frequency"],
    }


def unlike(its: Mapping[str, str], others: Mapping[str, str], whose: str) -> tuple[str, ...]:
    """In what outputs differ from ``others``, which are ``whose``."""
    return tuple(
        f"its {what} is {value}, {whose} {others[what]}"
        for what, value in its.items()
        if value != others[what]
    )
