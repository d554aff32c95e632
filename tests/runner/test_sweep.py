"""One sweep, as far as it needs neither Ray nor data."""

from __future__ import annotations

import weakref
from typing import Any, cast

import pytest

from cluster.lease import holding
from cluster.storage import Storage
from jobs.panel import Panel
from runner import sweep as module
from runner.conductor import Conductor
from runner.journal import read_journal
from runner.sweep import Place, run_sweep
from tests.runner.curves import make_job
from tests.runner.events import end, leg, start, trained, trial


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
        run_sweep(make_job(), lease, cast("Panel", None), Place(), lambda _, __: None)

    assert left == []
    assert [event["event"] for event in read_journal(folder)] == ["start"]
