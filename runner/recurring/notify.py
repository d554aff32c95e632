"""What came of a run, told to whom the job names: put on storage first, so that it is told if it can be.

A document is ``<schedule>/notices/<time>-<record>-<receiver>.json`` until it is delivered or given up.  It is
told once, as a rule; twice where who told it died before it could take the document away.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from cluster.errors import ClusterError, StorageAwayError
from cluster.references import redacted
from cluster.scheduledocs import Record, stamp, whoever
from cluster.schedules import ScheduleFolder
from jobs.schedulespec import Notice
from runner.recurring.telling import receiver, tell

_GIVEN_UP = dt.timedelta(days=1)
_LONGEST_WAIT = 60  # minutes between two tries
_CLAIM = dt.timedelta(minutes=2)  # that nobody else tries; longer than any try
_BEGUN_SECONDS = 5.0  # within which more is begun; the rest is told next time, as a run may wait for this
_AT_ONCE = 8
_MEANINGS = {
    "promoted": "a new model is in service",
    "kept": "the model in service stays",
    "failed": "a run failed",
    "drift": "the data is unlike those that the model in service was trained on",
}
_TOLD = ("event", "time", "sweep", "tick", "reason")
_Document = dict[str, Any]


def post(folder: ScheduleFolder, notices: Sequence[Notice], record: Record) -> None:
    """Tell of a record to everybody whose notice is on such, now if that can be.

    Raises:
        ClusterError: the storage does not take it, or does not answer.
    """
    told, now = [notice for notice in notices if record.event in notice.on], dt.datetime.now(dt.UTC)
    receivers = {_identity(notice): receiver(notice) for notice in notices}  # now all secrets are known
    for notice in told:
        document = {
            "to": _identity(notice),
            "receiver": receivers[_identity(notice)],
            "document": _redacted(_document(folder.schedule, record)),
            "posted": now.isoformat(),
            "next": now.isoformat(),
            "tried": 0,
        }
        name = f"{stamp(record.time)}-{record.number}-{_identity(notice)}.json"
        folder.write_json(f"{folder.NOTICES}/{name}", document)
    if told:
        deliver(folder, notices, now)


def deliver(folder: ScheduleFolder, notices: Sequence[Notice], now: dt.datetime) -> None:
    """Tell what is still to be told and due, each receiver beside the others and in the order of time.

    A receiver who does not take one of his documents is asked no further this time.

    Raises:
        ClusterError: the storage refuses or does not answer.
    """
    due: dict[str, list[tuple[str, _Document]]] = {}
    for file in folder.files(folder.NOTICES):
        found = _read(folder, f"{folder.NOTICES}/{file}", now)
        if found is not None and dt.datetime.fromisoformat(found["next"]) <= now:
            due.setdefault(found["to"], []).append((f"{folder.NOTICES}/{file}", found))
    known = {_identity(notice): notice for notice in notices}
    with ThreadPoolExecutor(_AT_ONCE, "telling") as pool:
        waited = [pool.submit(_tell_all, folder, known.get(to), each, now) for to, each in due.items()]
    for each in waited:
        each.result()


def _tell_all(
    folder: ScheduleFolder, notice: Notice | None, due: list[tuple[str, _Document]], now: dt.datetime
) -> None:
    end = time.monotonic() + _BEGUN_SECONDS
    for path, found in due:
        if time.monotonic() > end:
            return
        if notice is None:
            _give_up(folder, path, found, now, "the job's notify does not name it any more")
        elif not _told(folder, notice, path, found, now):
            return


def _told(folder: ScheduleFolder, notice: Notice, path: str, found: _Document, now: dt.datetime) -> bool:
    folder.write_json(path, found | {"next": (now + _CLAIM).isoformat()})
    outcome = tell(notice, found["document"])
    if not outcome.why:
        folder.delete(path)
        return True
    why, tried = redacted(outcome.why), found["tried"] + 1
    found = found | {"receiver": receiver(notice), "tried": tried}
    if now - dt.datetime.fromisoformat(found["posted"]) >= _GIVEN_UP:
        _give_up(folder, path, found, now, why)
        return False
    wait = min(2 ** min(tried - 1, 10), _LONGEST_WAIT)
    folder.write_json(path, found | {"next": (now + dt.timedelta(minutes=wait)).isoformat(), "why": why})
    _say(f"{folder.schedule}: {found['receiver']} was not told ({why}); it is tried again in {wait} min")
    return False


def _give_up(folder: ScheduleFolder, path: str, found: _Document, now: dt.datetime, why: str) -> None:
    document = found["document"]
    tick = document.get("tick")
    reason = f"{found['receiver']} was not told of {document.get('event')}: {why}"
    record = Record(
        time=now,
        event="untold",
        by=whoever(),
        reason=reason,
        tick=dt.datetime.fromisoformat(tick) if tick else None,
        sweep=document.get("sweep"),
        more={"to": found["receiver"], "event": document.get("event"), "tried": found["tried"]},
    )
    folder.record(record)
    folder.delete(path)
    _say(f"{folder.schedule}: {reason}; it is given up")


def _read(folder: ScheduleFolder, path: str, now: dt.datetime) -> _Document | None:
    """A document that is to be told; None for one that is gone, or is none and is taken away."""
    try:
        found = folder.read_json(path)
    except StorageAwayError:
        raise
    except ClusterError:
        found = None
    if _is_one(found):
        return dict(found)
    if folder.exists(path):  # else somebody else has told it just now
        why = f"{folder.inside(path)} is not as Recur writes it; what was to be told is lost"
        folder.record(Record(now, "untold", whoever(), why))
        folder.delete(path)
    return None


def _is_one(found: Any) -> bool:
    try:
        document = found["document"]
        moments = [found["posted"], found["next"], document.get("tick") or found["next"]]
        aware = all(dt.datetime.fromisoformat(each).tzinfo for each in moments)
        texts = (found["to"], found["receiver"], document["text"])
        return aware and isinstance(found["tried"], int) and all(isinstance(each, str) for each in texts)
    except (TypeError, ValueError, KeyError, AttributeError):
        return False


def _identity(notice: Notice) -> str:
    """Tells a receiver from others, whatever its place among them."""
    where = notice.model_dump(mode="json", include={"webhook", "command", "format"})
    return hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest()[:12]


def _document(schedule: str, record: Record) -> _Document:
    """What a receiver is given; what else belongs to the record stands beside, and in place of nothing."""
    what = _MEANINGS.get(record.event, record.event)
    which = f" ({record.sweep})" if record.sweep else ""
    reason = f": {record.reason}" if record.reason else ""
    text = f"Recur schedule {schedule}{which}: {what}{reason}"
    told = {key: value for key, value in record.to_json().items() if key in _TOLD}
    return {**record.to_json()["more"], "text": text, "schedule": schedule, **told}


def _redacted(value: Any) -> Any:
    """The same without secrets, keys included."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted(str(key)): _redacted(each) for key, each in value.items()}
    return [_redacted(each) for each in value] if isinstance(value, list | tuple) else value


def _say(text: str) -> None:
    click.echo(f"Note: {redacted(text)}", err=True)
