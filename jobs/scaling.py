"""What values are scaled by, fitted on the training part alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import JobError
from jobs.moments import Moments, least_targets, training_moments, training_sample
from jobs.panel import Indices, Panel
from jobs.params import WindowParams
from jobs.parts import Parts
from jobs.transform import Powers

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """How values are scaled: a choice that trials may share.

    Attributes:
        kind: ``standard``, ``min_max`` or ``none``.
        by_series: each series by itself, not all together.
        transform: of the targets, before that: ``none``, ``log`` or ``box_cox``.
    """

    kind: str = "standard"
    by_series: bool = False
    transform: str = "none"

    @classmethod
    def of(cls, window: WindowParams) -> Scaling:
        """What a trial's parameters say; windows that are put on their own level are standardised first."""
        kind = window.scale if window.scale in {"none", "min_max"} else "standard"
        return cls(kind, kind != "none" and window.scale_by == "series", window.transform)


@dataclass(frozen=True)
class Scaler:
    """Scaled values are ``(value - centre) / spread``, of targets after their power.

    Attributes:
        centre, spread: (1 or series, the panel's inputs) float64: the mean and the standard
            deviation over the training part, or the least value and the range; 0 and 1 for the calendar,
            masks and categories.  What is always the same keeps spread 1.
        powers: of the targets; None: as they are.
    """

    centre: FloatArray
    spread: FloatArray
    powers: Powers | None = None

    def of(self, series: Indices) -> tuple[Any, Any]:
        """Centre and spread for windows of these series: (windows or 1, 1, columns) float32."""
        which = slice(None) if len(self.centre) == 1 else series
        return tuple(each[which, None].astype(np.float32) for each in (self.centre, self.spread))  # type: ignore[return-value]


def scaler_of(panel: Panel, parts: Parts, how: Scaling) -> Scaler:
    """As ``fit_scaler``; kept beside a mapped panel's files, so that a node's processes read it once.

    Raises:
        JobError: as ``fit_scaler``.
    """
    if panel.folder is None:
        return fit_scaler(panel, parts, how)
    digest = hashlib.sha256(json.dumps(asdict(how)).encode())
    for array in (parts.train, parts.train_end):
        digest.update(array.tobytes())
    path = panel.folder / f"scaler-{digest.hexdigest()[:16]}.npz"
    with suppress(OSError, ValueError, KeyError), np.load(path) as kept:
        return Scaler(
            kept["centre"], kept["spread"], Powers(*kept["powers"]) if len(kept["powers"]) else None
        )
    scaler = fit_scaler(panel, parts, how)
    with suppress(OSError):  # the cache may have lost the panel meanwhile
        partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
        powers = np.array(() if scaler.powers is None else astuple(scaler.powers))
        np.savez(partial, centre=scaler.centre, spread=scaler.spread, powers=powers)
        partial.replace(path)
    return scaler


def fit_scaler(panel: Panel, parts: Parts, how: Scaling, powers: Powers | None = None) -> Scaler:
    """Fit on the training part of all series, or of each; values that were missing do not count.

    A series without a training part is scaled as all are together.  The ``powers`` may be known already.

    Raises:
        JobError: a target that is to be transformed has values that are not positive.
    """
    powers = _powers(panel, parts, how.transform) if powers is None else powers
    if how.kind == "none":
        width = 1, len(panel.inputs)
        return Scaler(np.zeros(width), np.ones(width), powers)
    transform = None if powers is None else _on_targets(panel, powers)
    moments = training_moments(panel, parts, transform, extremes=how.kind == "min_max")
    together = _spans(moments.together(), how.kind)
    centre, spread = together
    if how.by_series:
        known = moments.count > 0
        found = _spans(moments, how.kind)
        centre, spread = (np.where(known, one, all_) for one, all_ in zip(found, together, strict=True))
    columns = len(panel.inputs) - len(panel.statics)
    plain = slice(len(panel.columns) - panel.masks - panel.calendar, columns)
    centre, spread = (each[:, :columns] for each in (centre, spread))
    centre[:, plain], spread[:, plain] = 0, 1
    static = _static(panel, how.kind)
    both = (np.repeat(each, len(centre), axis=0) for each in static)
    centre, spread = (np.concatenate(pair, axis=1) for pair in zip((centre, spread), both, strict=True))
    return Scaler(centre, spread, powers)


def _spans(moments: Moments, kind: str) -> tuple[FloatArray, FloatArray]:
    if kind == "min_max":
        return moments.least.copy(), _or_one(moments.most - moments.least)
    return moments.mean.copy(), _or_one(np.sqrt(moments.variance))


def _or_one(spread: FloatArray) -> FloatArray:
    return np.where(spread == 0, 1.0, spread)


def _static(panel: Panel, kind: str) -> tuple[FloatArray, FloatArray]:
    """Centre and spread of the static features over the series, (1, features)."""
    if panel.static is None:
        return np.zeros((1, 0)), np.ones((1, 0))
    values = panel.static.astype(np.float64)
    numbers = np.array(["=" not in name for name in panel.statics])
    least, most = values.min(axis=0), values.max(axis=0)
    if kind == "min_max":
        found = least, _or_one(most - least)
    else:
        found = values.mean(axis=0), _or_one(np.where(least == most, 0, values.std(axis=0)))
    return np.where(numbers, found[0], 0.0)[None], np.where(numbers, found[1], 1.0)[None]


def _powers(panel: Panel, parts: Parts, transform: str) -> Powers | None:
    if transform == "none":
        return None
    check_positive(panel, transform)
    sample, known = training_sample(panel, parts)
    return Powers.fit([sample[known[:, target], target] for target in range(panel.targets)], transform)


def check_positive(panel: Panel, transform: str) -> None:
    """See that targets can be transformed.

    Raises:
        JobError: a target has values that are not positive.
    """
    for name, value in zip(panel.columns, least_targets(panel), strict=False):
        if value <= 0:
            raise JobError(
                f"window.transform: {transform} is for positive targets, and {name!r} has {value:g}; "
                "write transform: none, or leave such rows out by data.where"
            )


def _on_targets(panel: Panel, powers: Powers) -> Callable[[Any], Any]:
    def transform(rows: Any) -> Any:
        rows = rows.astype(np.float64)
        rows[:, : panel.targets] = powers.raised(np, rows[:, : panel.targets])
        return rows

    return transform
