"""The job file's ``search``: which configurations are tried, and which of them are stopped early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from jobs.searchable import Positive, Section, one_or_many

Objective = Literal["val_loss", "val_mse", "val_mae"]
DEFAULT_TRIALS = 20


class Search(Section):
    """Which configurations are tried and which of them are stopped early."""

    algorithm: Literal["random", "grid", "bayesian", "tpe", "hyperband"] = "random"
    scheduler: Literal["none", "asha", "hyperband", "median", "pbt"] = "asha"  # null: the algorithm's
    factor: Annotated[int, Field(ge=2)] = 3
    promotion: bool = False  # of asha: trials wait at rungs and the best go on, none is stopped too early
    resource: Literal["epochs", "windows", "auto"] = "auto"  # of rungs; auto: windows if passes are long
    windows: Positive = 65_536  # trained on between two validations, where windows are counted
    min_epochs: Positive | None = None  # passes before the first rung; null: one epoch, or those windows
    hyperband_iterations: Positive = 1
    trials: Positive | None = None  # null: the scheduler's number, or the whole grid, or 20
    executions_per_trial: Positive = 1  # networks, of different seeds; a trial's score is their mean
    start_from: tuple[str, ...] = ()  # earlier sweeps: their best configurations first, their results known
    trial_timeout: Annotated[float, Field(gt=0)] | None = None  # seconds of training; null: any
    heartbeat: Annotated[float, Field(ge=1)] | None = (
        None  # seconds; null: ten of a trial's median epoch, at least 120
    )
    seed: Annotated[int, Field(ge=0)] = 0
    objective: Objective = "val_loss"

    @field_validator("start_from", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return one_or_many(value)

    @model_validator(mode="before")
    @classmethod
    def _schedule_of_its_own(cls, raw: Any) -> Any:
        """Where no scheduler is named, KerasTuner's hyperband has its own, everything else asha."""
        if isinstance(raw, Mapping) and raw.get("scheduler") is None:
            own = "hyperband" if raw.get("algorithm") == "hyperband" else "asha"
            return {**raw, "scheduler": own}
        return raw


def check_oracle(search: Search) -> None:
    """KerasTuner's Hyperband decides on all of the schedule but its lengths."""
    if search.scheduler != "hyperband":
        raise ValueError(
            "search.scheduler: with algorithm: hyperband KerasTuner's oracle decides who goes on; "
            "leave scheduler out, or choose another algorithm"
        )
    if search.start_from:
        raise ValueError(
            "search.start_from: with algorithm: hyperband KerasTuner's oracle chooses all configurations; "
            "leave start_from out, or choose another algorithm with scheduler: hyperband"
        )
    if search.min_epochs is not None:
        raise ValueError(
            "search.min_epochs: with algorithm: hyperband KerasTuner's oracle decides on the first rung; "
            "leave min_epochs out, or choose another algorithm with scheduler: hyperband"
        )
