"""Which model is in service under a schedule's name: ``champion.json``, a pointer that is replaced whole."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from cluster.errors import ClusterError
from cluster.folder import SMALL
from cluster.scheduledocs import Record
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage, SweepFolder
from runner.publish import MANIFEST, check_best

Event = Literal["promoted", "rolled_back"]


@dataclass(frozen=True)
class Champion:
    """A published model and how it came into service.

    Attributes:
        sweep, trial_id, epoch: where it is from.
        checkpoint: path or URI of the model's file.
        manifest: SHA-256 of the sweep's ``best/manifest.json``, so that another best there is noticed.
        scores: of the model and beside it, as JSON has them: ``{"model": {metric: value}, …}``.
        since, by, why: when it came into service, by whom, and a sentence.
        event: how.
        previous: the one before, without its own.
        more: what others keep with it; a ``tick`` (ISO time) is also its record's.
    """

    sweep: str
    trial_id: str
    epoch: float
    checkpoint: str
    manifest: str
    scores: Mapping[str, Any]
    since: dt.datetime
    by: str
    why: str
    event: Event = "promoted"
    previous: Champion | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it lies on storage, and is shown."""
        before = self.previous
        own = asdict(replace(self, previous=None))
        return own | {"since": self.since.isoformat(), "previous": before and before.to_json()}

    def record(self) -> Record:
        """What the history says of it; the same record whoever puts it there."""
        number = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]
        tick = self.more.get("tick")
        return Record(
            time=self.since,
            event=self.event,
            by=self.by,
            reason=self.why,
            tick=dt.datetime.fromisoformat(tick) if tick else None,
            sweep=self.sweep,
            more={
                "trial_id": self.trial_id,
                "checkpoint": self.checkpoint,
                "scores": self.scores,
                "before": self.previous and self.previous.sweep,
            },
            number=number,
        )

    def check(self, storage: Storage) -> SweepFolder:
        """See that its model is there and the one that came into service; gives its sweep.

        Raises:
            ClusterError: it is not.
        """
        sweep = storage.sweep(self.sweep)
        check_best(sweep)
        if manifest_digest(sweep) != self.manifest:
            raise ClusterError(
                f"{sweep.inside(sweep.BEST)} is not what came into service at {self.since:%Y-%m-%d %H:%M} "
                f"UTC: sweep {self.sweep} has published another model since; promote it anew, or restore it"
            )
        return sweep


def read_champion(folder: ScheduleFolder) -> Champion | None:
    """The champion; None before there was one.

    Raises:
        ClusterError: the pointer is damaged, or cannot be read.
    """
    try:
        raw = folder.read_json(folder.CHAMPION)
    except ClusterError:
        if folder.exists(folder.CHAMPION):
            raise
        return None
    try:
        return _parsed(raw)
    except (TypeError, ValueError, KeyError) as error:
        raise ClusterError(
            f"{folder.inside(folder.CHAMPION)} does not say which model is in service, as Recur writes it "
            f"there ({error}); restore it from a copy, or take it away and type: "
            f"recur promote {folder.schedule} --sweep SWEEP"
        ) from None


def manifest_digest(sweep: SweepFolder) -> str:
    """SHA-256 of the manifest of what a sweep has published.

    Raises:
        ClusterError: there is none.
    """
    return hashlib.sha256(sweep.read(sweep.best(MANIFEST), SMALL)).hexdigest()


_KINDS = {
    "sweep": str,
    "trial_id": str,
    "epoch": int | float,
    "checkpoint": str,
    "manifest": str,
    "scores": dict,
    "since": str,
    "by": str,
    "why": str,
    "event": str,
    "previous": dict | None,
    "more": dict,
}


def _parsed(raw: Any) -> Champion:
    """A pointer that was written by this version or a later one.

    Raises:
        TypeError, ValueError, KeyError: it is none; the text names the field.
    """
    if not isinstance(raw, dict):
        raise TypeError("no JSON object")
    known = {each.name: raw[each.name] for each in fields(Champion)}
    for name, kind in _KINDS.items():
        if not isinstance(known[name], kind):
            raise TypeError(f"{name} is {json.dumps(known[name])[:60]}")
    if known["event"] not in {"promoted", "rolled_back"}:
        raise ValueError(f"event is {known['event']!r}")
    since = dt.datetime.fromisoformat(known["since"])
    if since.tzinfo is None:
        raise ValueError(f"since is {known['since']!r}, without a zone")
    previous = known["previous"]
    return Champion(**known | {"since": since, "previous": previous and _parsed(previous)})
