"""One sweep, as far as it needs neither Ray nor data."""

from __future__ import annotations

import io
import weakref
import zipfile
from typing import Any

import pytest

from cluster.lease import holding
from cluster.storage import Storage
from runner import sweep as module
from runner.conductor import Conductor
from runner.exam import Exam
from runner.journal import read_journal
from runner.publish import read_manifest
from runner.sweep import Place, run_sweep
from tests.runner.curves import make_job
from tests.runner.events import end, leg, start, trained, trial, write
from tests.runner.test_publish import panel


class Kept(dict[str, Any]):
    """An event whose end can be seen."""


def test_what_was_replayed_is_not_kept(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long sweep has much of it, and goes on for long."""
    given = {"event": "given", "configurations": [], "evidence": []}
    past = [Kept(e) for e in [start(), given, trial(0, units=3), leg(0), *trained(0, 0.5, 0.4), end(0)]]
    seen = [weakref.ref(event) for event in past]
    monkeypatch.setattr(module, "read_journal", lambda _: [past.pop(0) for _ in seen])
    left: list[Any] = []

    def train(_: object, conductor: Conductor, __: object) -> str:
        left.extend(ref() for ref in seen if ref() is not None)
        assert conductor.results.ended == 1
        return "done"

    monkeypatch.setattr(module._Sweep, "_train_and_publish", train)
    folder = storage.sweep("a")
    with holding(folder) as lease:
        run_sweep(make_job(), lease, panel(), Place(), lambda _, __: None)

    assert left == []
    assert [event["event"] for event in read_journal(folder)] == ["start"]


def test_without_the_exam_the_best_is_published_and_the_sweep_is_done(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: object, conductor: Conductor, exam: Exam, __: object) -> str:
        assert conductor.complete
        assert exam.take()
        exam.hear({"say": "failed", "error": "no memory"})
        return "done"

    monkeypatch.setattr(module._Sweep, "_train", train)
    folder, buffer = storage.sweep("a"), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights", b"1")
    folder.write(folder.model("00000", 2), buffer.getvalue())
    given = {"event": "given", "configurations": [], "evidence": []}
    write(folder, 1, start(), given, trial(0), leg(0), *trained(0, 0.5, 0.4), end(0))

    with holding(folder) as lease:
        job = make_job(search={"trials": 1})
        results = run_sweep(job, lease, panel(), Place(), lambda _, __: None)

    assert results.state == "done"
    assert read_manifest(folder)["data_fingerprint"] == panel().fingerprint()
    said = folder.read_json("best/metrics.json")
    assert (said["score"], said["test"], said["test_error"]) == (0.4, None, "no memory")
    begun, scored, finished = read_journal(folder)[-3:]
    assert (begun["event"], begun["fingerprint"]) == ("start", panel().fingerprint())
    assert (scored["event"], scored["trial"], scored["epoch"]) == ("scored", "00000", 2)
    assert (scored["scores"], scored["error"]) == (None, "no memory")
    assert scored["signature"] == folder.read_json("best/signature.json")
    assert finished["state"] == "done"
