"""What ``recur run`` says of a sweep that has no best."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.storage import Storage
from jobs.panel import Panel
from runner.errors import WorkFailedError
from runner.journal import Event
from runner.launch import Standing
from runner.results import Results
from runner.run import carry_out
from runner.sweep import Place
from tests.runner.curves import make_job
from tests.runner.events import end, finish, leg, start, trained, trial

BEGUN = [start(), trial(0, units=3), leg(0)]
MEND = "mend that, then recur retry {sweep} tries the failed ones again"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECUR_STORAGE", raising=False)


def carried_out(
    storage: Storage, events: list[Event], monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False
) -> None:
    """A sweep that comes to these events."""
    monkeypatch.setattr("runner.sweep.run_sweep", lambda *_, **__: Results(events))
    panel = cast("Panel", SimpleNamespace(gaps=lambda: 0, filled=()))
    standing = Standing(storage.sweep("a"), exists=False, results=Results())
    carry_out(make_job(), standing, panel, Place(), as_json=as_json)


def test_one_that_was_stopped_before_its_first_result_is_no_failure(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    carried_out(storage, [*BEGUN, finish("stopped")], monkeypatch)

    said = capsys.readouterr()
    folder = storage.sweep("a")
    assert said.err == (
        f"Note: it was stopped before any trial had a score; recur resume {folder.uri} goes on\n"
    )
    assert said.out == f"a: stopped, 1 pending\nbest score -, 0 epochs in 0s\nfolder {folder.uri}\n"


def test_nor_is_it_as_json(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    carried_out(storage, [*BEGUN, finish("stopped")], monkeypatch, as_json=True)

    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["state"], found["best_score"], found["trials"]["pending"]) == ("stopped", None, 1)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([*BEGUN, *trained(0, None), end(0, "diverged")], "all diverged;"),
        (
            [*BEGUN, end(0, "failed", "no such column")],
            f"the last one said: no such column; {MEND}, or",
        ),
        ([*BEGUN, end(0, "diverged"), trial(1, units=4)], "none came to a score;"),
        ([start()], "none came to a score;"),
    ],
)
def test_why_no_trial_succeeded(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, events: list[Event], why: str
) -> None:
    with pytest.raises(WorkFailedError) as error:
        carried_out(storage, [*events, finish("failed")], monkeypatch)

    told = why.format(sweep=storage.sweep("a").uri)
    assert str(error.value) == f"no trial succeeded; {told} --fresh begins again"


def test_a_sweep_that_gave_up_says_so(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one that waits has a score."""
    failures: list[Event] = []
    for n in range(1, 6):
        failures += [trial(n, units=n), *trained(n, 0.4), end(n, "failed", "no x")]
    waits: Event = {"event": "pause", "trial": "00000"}

    with pytest.raises(WorkFailedError) as error:
        carried_out(storage, [*BEGUN, *trained(0, 0.5), waits, *failures, finish("failed")], monkeypatch)

    mend = MEND.format(sweep=storage.sweep("a").uri)
    assert str(error.value) == (
        f"the first five trials failed in the same way: no x; {mend}, or --fresh begins again"
    )
