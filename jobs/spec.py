"""The job file as frozen models: every field, its default, and what may be searched."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from jobs.built import COMPILED, Built
from jobs.dataspec import Data
from jobs.modelspec import Model
from jobs.names import NAME
from jobs.schedulespec import Notice, Promote, Rules, notices
from jobs.searchable import Positive, Searchable, Section, possible, without_secrets
from jobs.searchspec import Search, check_oracle

Scale = Literal["standard", "min_max", "instance", "instance_standard", "none"]
Optimizer = Literal["adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad", "adadelta", "adamax"]
Loss = Literal["mse", "mae", "huber", "quantile"]
Schedule = Literal["constant", "cosine", "reduce_on_plateau"]
Precision = Literal["float32", "mixed_bfloat16"]


class Window(Section):
    """One training example: ``lookback`` steps in, the next ``horizon`` steps out."""

    lookback: Searchable[Positive] = 96
    horizon: Positive
    stride: Searchable[Positive] = 1  # between training windows only
    evaluation_stride: Positive = 1
    scale: Searchable[Scale] = "standard"
    scale_by: Literal["all", "series"] = "all"  # series together, or each by itself
    transform: Literal["none", "log", "box_cox"] = "none"  # of positive targets, before they are scaled
    output: Searchable[Literal["last", "sequence"]] = (
        "last"  # what forecasts in training: the last step, or every
    )
    channel_independent: Searchable[bool] = False  # each target a series of its own, with shared weights


class _Networks:
    """Lets ``model`` be a stack of layers, or what a user's function builds."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source  # the annotation says the same in types
        return core_schema.tagged_union_schema(
            {"stack": handler.generate_schema(Model), "built": handler.generate_schema(Built)},
            discriminator=lambda raw: (
                "built" if isinstance(raw, Built) or (isinstance(raw, dict) and "build" in raw) else "stack"
            ),
        )


class EarlyStopping(Section):
    """End a trial whose objective has not improved by ``min_delta`` for ``patience`` epochs."""

    patience: Positive = 5
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class Train(Section):
    """How one trial is trained."""

    optimizer: Searchable[Optimizer] = "adam"
    learning_rate: Searchable[Annotated[float, Field(gt=0)]] = 1e-3
    schedule: Searchable[Schedule] = "constant"  # of the learning rate
    clip_norm: Searchable[Annotated[float, Field(gt=0)]] | None = None  # largest norm of a step's gradient
    loss: Searchable[Loss] = "mse"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5  # that the loss ``quantile`` aims at
    batch_size: Searchable[Positive] = 64
    precision: Precision = "float32"  # of the computation; weights are float32, forecasts too
    max_epochs: Positive = 50
    early_stopping: EarlyStopping | None = EarlyStopping()
    warm_weights: bool = False  # networks that fit begin with the best of search.start_from's first sweep


class Resources(Section):
    """What one trial occupies, and when its training process is replaced by a fresh one."""

    cpu: Positive = 1
    gpu: Annotated[float, Field(ge=0, le=1)] = 0  # the share of one card; several trials share a card
    trials_per_worker: Positive | None = 500  # null: a process is never replaced for its age
    memory_gb: Annotated[float, Field(gt=0)] | None = None  # of a process; null: its share of the node's
    disk_gb: Annotated[float, Field(gt=0)] | None = None  # of all checkpoints of the sweep; null: any


SCHEDULED = ("schedule", "promote", "notify")  # sections that change nothing about a sweep


class Job(Section):
    """One job file, every default resolved."""

    name: str
    data: Data
    window: Window
    model: Annotated[Model | Built, _Networks()] = Model()
    train: Train = Train()
    search: Search = Search()
    resources: Resources = Resources()
    backend: Literal["tensorflow", "jax"] = "tensorflow"
    storage: Annotated[str, AfterValidator(without_secrets)] | None = None
    schedule: Rules = Rules()
    promote: Promote = Promote()
    notify: Annotated[tuple[Notice, ...], BeforeValidator(notices)] = ()

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                "a name is letters, digits, '.', '_' and '-', begins with a letter or digit, "
                "and has at most 128 characters"
            )
        return name

    @model_validator(mode="after")
    def _search_fits(self) -> Self:
        search = self.search
        if search.algorithm == "hyperband":
            check_oracle(search)
        if search.scheduler == "hyperband" and search.trials is not None:
            raise ValueError(
                "search.trials: hyperband decides the number of trials from train.max_epochs, search.factor "
                "and search.hyperband_iterations; leave trials out"
            )
        if search.promotion and search.scheduler != "asha":
            raise ValueError(f"search.promotion is asha's; with scheduler: {search.scheduler} leave it out")
        if search.scheduler == "pbt" and self.resources.disk_gb is not None:
            raise ValueError(
                "resources.disk_gb: with scheduler: pbt every trial's saved state may be needed and none "
                "can be given up; leave disk_gb out"
            )
        if search.min_epochs is not None and search.min_epochs > self.train.max_epochs:
            raise ValueError(
                f"search.min_epochs={search.min_epochs} is above train.max_epochs={self.train.max_epochs}"
            )
        if search.objective == "val_loss" and not isinstance(self.train.loss, str):
            raise ValueError(
                "search.objective: val_loss cannot be compared between trials of different losses, and "
                "train.loss is searched; write objective: val_mse or val_mae"
            )
        return self

    @model_validator(mode="after")
    def _build_fits(self) -> Self:
        """A user's function is given plain windows, and what it compiles is not contradicted."""
        if not isinstance(self.model, Built):
            return self
        for field, wrong, instead in (
            ("data.future", bool(self.data.future), "list the columns under data.past"),
            ("data.short", self.data.short == "pad", "write leave_out"),
            ("window.output", "sequence" in possible(self.window.output), "write last"),
            ("window.channel_independent", True in possible(self.window.channel_independent), "write false"),
        ):
            if wrong:
                raise ValueError(
                    f"{field}: model.build is given whole windows of the history alone; {instead}"
                )
        self.model.check_train(self.train)
        return self

    @model_serializer(mode="wrap")
    def _as_it_counts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what the user's function decides, as if the job did, and what is said to no schedule."""
        written: dict[str, Any] = handler(self)
        for section in SCHEDULED:
            if getattr(self, section) == Job.model_fields[section].default:
                written.pop(section, None)
        if isinstance(self.model, Built) and self.model.found and self.model.found.compiled:
            written["train"] = {k: v for k, v in written.get("train", {}).items() if k not in COMPILED}
        return written

    @model_validator(mode="after")
    def _windows_compare(self) -> Self:
        """Scores of all trials are in the same units, and no step of a window sees what it forecasts."""
        window = self.window
        scales, outputs = possible(window.scale), possible(window.output)
        units = {"standard" if scale.startswith("instance") else scale for scale in scales}
        if len(units) > 1:
            raise ValueError(
                "window.scale: scores in standard deviations, in ranges (min_max) and without scaling (none) "
                "are in different units and cannot be compared; leave all but one of them out of the choice"
            )
        if window.scale_by == "series" and (self.data.series is None or units == {"none"}):
            raise ValueError(
                "window.scale_by: series is for several series (data.series) that are scaled; leave it out"
            )
        if "sequence" in outputs and any(scale.startswith("instance") for scale in scales):
            raise ValueError(
                "window.output: sequence forecasts from every step, and window.scale: instance would show "
                "each the level of the steps after it; use scale: standard, or output: last"
            )
        return self
