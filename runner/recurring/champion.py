"""Putting a model into service under a schedule's name, and taking it back.

The pointer carries what the history is to say of it: a process that dies between the two leaves a pointer
that is whole, and whoever comes next puts the record where it belongs.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.folder import Folder
from cluster.lease import holding
from cluster.schedules import SCHEDULES, ScheduleFolder
from cluster.storage import Storage, SweepFolder
from runner.publish import check_best, model_files, read_manifest
from runner.recurring.pointer import Champion, manifest_digest, read_champion

if TYPE_CHECKING:  # whoever only reads a champion is to start at once
    from jobs.spec import Job

CROWNING = "crowning"  # where the lease lies of who changes it
_WAIT_SECONDS = 30.0  # for another who does


def crown(  # noqa: PLR0913 - all that a promotion is known by
    folder: ScheduleFolder,
    sweep: SweepFolder,
    job: Job,
    *,
    scores: Mapping[str, Any],
    why: str,
    by: str,
    more: Mapping[str, Any] | None = None,
) -> Champion:
    """Put a sweep's published model into service; once more is the same.

    Args:
        folder: the schedule's.
        sweep: on the same storage.
        job: the sweep's.
        scores: see ``Champion``, as the others.
        why: a sentence.
        by: who wants it.
        more: to be kept with it.

    Raises:
        ClusterError: the model is not published whole, another process is changing the champion, or the
            storage does not take it.
    """
    with _alone(folder) as held:
        check_best(sweep)
        manifest = read_manifest(sweep)
        before = read_champion(folder)
        found = Champion(
            sweep=sweep.name,
            trial_id=manifest["trial_id"],
            epoch=manifest["epoch"],
            checkpoint=sweep.inside(sweep.best(model_files(job)[0])),
            manifest=manifest_digest(sweep),
            scores=_finite(scores),
            since=dt.datetime.now(dt.UTC),
            by=by,
            why=why,
            more=_finite(more or {}),
        )
        if before is not None and (before.sweep, before.manifest) == (found.sweep, found.manifest):
            return before
        if before is not None and before.sweep == found.sweep:
            before = before.previous  # its own model has given way to the one that is found
        return _put(held, replace(found, previous=before))


def rollback(folder: ScheduleFolder, *, by: str, why: str) -> Champion:
    """Put the model before into service again; the one that was becomes the one before.

    Raises:
        ClusterError: there is none, its model is not there any more, another process is changing the
            champion, or the storage does not take it.
    """
    with _alone(folder) as held:
        now = read_champion(folder)
        if now is None or now.previous is None:
            what = "no champion yet" if now is None else f"no champion before sweep {now.sweep}"
            raise ClusterError(f"schedule {folder.schedule} has {what}: there is nothing to roll back to")
        before = now.previous
        before.check(folder.storage)
        return _put(
            held,
            replace(before, since=dt.datetime.now(dt.UTC), by=by, why=why, event="rolled_back", previous=now),
        )


def settle_record(folder: ScheduleFolder) -> None:
    """Put what the pointer says of its making into the history, if a process died before it did.

    Raises:
        ClusterError: the pointer is damaged, or the storage does not take it.
    """
    found = read_champion(folder)
    if found is not None:
        _settle(folder, found)


def crowned(storage: Storage) -> dict[str, str]:
    """What each sweep in service, or before the one that is, is to which schedule, in words.

    Raises:
        ClusterError: a pointer is damaged.
    """
    found: dict[str, str] = {}
    for name in sorted(Folder(storage, SCHEDULES).folders("")):
        now = read_champion(ScheduleFolder(storage, f"{SCHEDULES}/{name}"))
        if now is not None and now.previous is not None:
            found.setdefault(now.previous.sweep, f"the champion before the present one of schedule {name}")
        if now is not None:
            found[now.sweep] = f"the champion of schedule {name}"
    return found


def check_spared(sweep: SweepFolder) -> None:
    """See that nobody loses a champion, or the way back to one, with a sweep that is to go.

    Raises:
        ClusterError: it is one; or a pointer is damaged.
    """
    what = crowned(sweep.storage).get(sweep.name)
    if what is not None:
        raise ClusterError(f"sweep {sweep.name} is {what}, and stays; promote another one first")


@contextmanager
def _alone(folder: ScheduleFolder) -> Iterator[ScheduleFolder]:
    """Has the right to change the champion, and the last change in the history; waits for others who do."""
    subject = f"a promotion of schedule {folder.schedule}"
    with holding(folder, at=CROWNING, subject=subject, sure=True, wait=_WAIT_SECONDS) as lease:
        settle_record(folder)
        yield lease.folder


def _put(folder: ScheduleFolder, found: Champion) -> Champion:
    if found.previous is not None:
        found = replace(found, previous=replace(found.previous, previous=None))
    folder.write_json(folder.CHAMPION, found.to_json())
    folder.settle(folder.CHAMPION)
    _settle(folder, found)
    return found


def _settle(folder: ScheduleFolder, found: Champion) -> None:
    record = found.record()
    if not folder.exists(record.path):
        folder.record(record)


def _finite(value: Any) -> Any:
    """The same, of which JSON can hold each number."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
