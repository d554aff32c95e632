"""People are told of what came of a run, by real servers and commands; and no secret shows."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import find
from cluster.scheduledocs import Record, sweep_name
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from jobs.schedulespec import Notice
from runner.recurring import telling
from runner.recurring.notify import deliver, post
from tests.runner.webhooks import Webhook, webhook
from tests.s3 import KEYS, s3_server, uri

NOW = dt.datetime(2026, 3, 1, 2, 0, 5, tzinfo=dt.UTC)
TICK = NOW.replace(second=0)
SWEEP = sweep_name("nightly", TICK)
SECRET = "hunter2hunter2"  # noqa: S105
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def schedule(tmp_path: Path) -> ScheduleFolder:
    return ScheduleFolder.of(Storage.open(str(tmp_path / "sweeps")), "nightly")


def record(event: str = "promoted", reason: str = "it is 3.1% better", **more: Any) -> Record:
    return Record(NOW, event, "somebody", reason, TICK, SWEEP, more)


def notice(**given: Any) -> Notice:
    return Notice.model_validate(given)


def waiting(folder: ScheduleFolder) -> list[Any]:
    return [folder.read_json(f"notices/{file}") for file in folder.files("notices")]


def untold(folder: ScheduleFolder) -> list[Record]:
    found, damaged = folder.history()
    assert damaged == []
    return [each for each in found if each.event == "untold"]


def on_storage(folder: ScheduleFolder) -> str:
    """Everything that is on it."""
    return "".join(folder.read(path).decode() for path in folder.tree(""))


def test_a_webhook_is_given_the_document(schedule: ScheduleFolder) -> None:
    with webhook() as hook:
        post(schedule, [notice(webhook=hook.url)], record(improvement=0.031, text="another", event_id=7))

    assert hook.documents == [
        {
            "text": f"Recur schedule nightly ({SWEEP}): a new model is in service: it is 3.1% better",
            "schedule": "nightly",
            "event": "promoted",
            "time": "2026-03-01T02:00:05Z",
            "sweep": SWEEP,
            "tick": "2026-03-01T02:00:00Z",
            "reason": "it is 3.1% better",
            "improvement": 0.031,
            "event_id": 7,
        }
    ]
    assert waiting(schedule) == []
    assert untold(schedule) == []


def test_slack_is_given_what_it_takes(schedule: ScheduleFolder) -> None:
    with webhook() as hook:
        post(schedule, [notice(webhook=hook.url, format="slack")], record("kept", "error 0.3 > 0.2 & <none>"))

    text = (
        f"Recur schedule nightly ({SWEEP}): the model in service stays: error 0.3 &gt; 0.2 &amp; &lt;none&gt;"
    )
    assert hook.documents == [{"text": text}]


def test_only_what_a_notice_is_on_is_told(schedule: ScheduleFolder) -> None:
    with webhook() as hook:
        notices = [notice(webhook=hook.url, on=["failed", "drift"])]
        for event in ("promoted", "kept", "finished", "failed", "drift"):
            post(schedule, notices, record(event))

    assert [document["event"] for document in hook.documents] == ["failed", "drift"]
    assert waiting(schedule) == []


@pytest.mark.parametrize(
    ("answers", "asked"), [(["500", "cut", "200"], 3), (["429", "200"], 2), (["503", "201"], 2)]
)
def test_trouble_that_goes_by_is_no_trouble(schedule: ScheduleFolder, answers: list[str], asked: int) -> None:
    with webhook(*answers) as hook:
        post(schedule, [notice(webhook=hook.url)], record())

    assert len(hook.asked) == asked
    assert waiting(schedule) == []


@pytest.mark.parametrize(
    ("answer", "why", "asked"),
    [
        ("500", "it answers 500", 3),
        ("404", "it answers 404", 1),
        ("302", "it answers 302 and sends elsewhere; write the address that it moved to", 1),
        ("cut", "it cannot be reached", 3),
    ],
)
def test_who_does_not_take_it_is_told_later(
    schedule: ScheduleFolder, capfd: pytest.CaptureFixture[str], answer: str, why: str, asked: int
) -> None:
    with webhook(answer) as hook:
        notices = [notice(webhook=hook.url)]
        post(schedule, notices, record())

        assert [path for path, _ in hook.asked] == [f"/services/T0/{SECRET}"] * asked
        (kept,) = waiting(schedule)
        assert (kept["why"], kept["tried"], kept["receiver"]) == (why, 1, "127.0.0.1")
        assert capfd.readouterr().err == (
            f"Note: nightly: 127.0.0.1 was not told ({why}); it is tried again in 1 min\n"
        )

        hook.answers.append("204")
        hook.asked = hook.asked[:1]  # so that the next answer is the last
        due = dt.datetime.fromisoformat(kept["next"])
        deliver(schedule, notices, due - dt.timedelta(seconds=1))
        assert len(waiting(schedule)) == 1
        deliver(schedule, notices, due)
    assert waiting(schedule) == []
    assert untold(schedule) == []


def test_a_host_that_refuses_is_waited_for_longer_and_longer_and_given_up_after_a_day(
    schedule: ScheduleFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(telling, "TRIES", 1)
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/{SECRET}")
    notices = [notice(webhook={"env": "HOOK"})]
    schedule.write_json(
        f"notices/{NOW:%Y%m%d}.json",
        {"to": _to(schedule, notices), "receiver": "x", "document": {"text": "t", "event": "failed"}}
        | {"posted": NOW.isoformat(), "next": NOW.isoformat(), "tried": 0},
    )
    now, waits = NOW, []
    while (left := waiting(schedule)) and len(waits) < 12:
        now = dt.datetime.fromisoformat(left[0]["next"])
        deliver(schedule, notices, now)
        waits += [dt.datetime.fromisoformat(each["next"]) - now for each in waiting(schedule)]
    assert [wait / MINUTE for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    assert untold(schedule) == []

    deliver(schedule, notices, NOW + dt.timedelta(days=1))
    assert waiting(schedule) == []
    (given_up,) = untold(schedule)
    assert given_up.reason == "127.0.0.1 was not told of failed: it cannot be reached"
    assert given_up.more == {"to": "127.0.0.1", "event": "failed", "tried": 13}
    assert SECRET not in on_storage(schedule)


def _to(folder: ScheduleFolder, notices: list[Notice]) -> str:
    """What a document says of whom it is for, as `post` writes it."""
    assert folder
    from runner.recurring.notify import _identity

    return _identity(notices[0])


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_one_that_does_not_end_its_answer_holds_nobody_up(schedule: ScheduleFolder, answer: str) -> None:
    """Nor does it keep another from being told; and two of its kind take no longer than one."""
    with webhook(answer) as bad, webhook(answer) as worse, webhook() as good:
        began = time.monotonic()
        post(schedule, [notice(webhook=hook.url) for hook in (bad, worse, good)], record())
        assert time.monotonic() - began < 35

    assert len(good.documents) == 1
    assert len(bad.documents) <= 3
    assert [kept["why"][:26] for kept in waiting(schedule)] == ["it does not answer within "] * 2
    assert untold(schedule) == []


@pytest.mark.parametrize("answer", ["trickle", "flood"])
def test_an_answer_is_not_read_beyond_its_status(schedule: ScheduleFolder, answer: str) -> None:
    with webhook(answer) as hook:
        began = time.monotonic()
        post(schedule, [notice(webhook=hook.url)], record())
        assert time.monotonic() - began < 8

    assert len(hook.documents) == 1
    assert waiting(schedule) == []


def test_who_is_away_is_asked_once_for_all_that_waits_and_told_in_order(schedule: ScheduleFolder) -> None:
    with webhook("404") as hook:
        notices = [notice(webhook=hook.url)]
        for number in range(3):
            post(schedule, notices, Record(NOW + number * MINUTE, "failed", "somebody", str(number)))
        hook.asked.clear()
        later = LATER
        deliver(schedule, notices, NOW - MINUTE)
        assert hook.asked == []

        hook.answers = ["200"]
        deliver(schedule, notices, later)
        assert [document["reason"] for document in hook.documents] == ["0", "1", "2"]
    assert waiting(schedule) == []


def test_a_secret_address_shows_nowhere(
    schedule: ScheduleFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with webhook("404") as hook, webhook("200") as other:
        monkeypatch.setenv("HOOK", hook.url)
        (tmp_path / "hook").write_text(f"{other.url}2\n")
        notices = [notice(webhook={"env": "HOOK"}), notice(webhook={"file": str(tmp_path / "hook")})]
        post(
            schedule, notices, record("failed", f"cannot post to {other.url}2", where={hook.url: [hook.url]})
        )

        assert hook.documents[0]["where"] == {"***": ["***"]}
        assert other.documents[0]["reason"] == "cannot post to ***"
        assert [path for path, _ in other.asked] == [f"/services/T0/{SECRET}2"]
        assert SECRET not in on_storage(schedule) + capfd.readouterr().err

        deliver(schedule, notices, LATER)
        (given_up,) = untold(schedule)
        assert given_up.reason == "127.0.0.1 was not told of failed: it answers 404"
    assert SECRET not in on_storage(schedule) + capfd.readouterr().err


@pytest.mark.parametrize(
    ("where", "content", "said", "who"),
    [
        (
            "env",
            None,
            "notify.webhook: the environment variable HOOK is not set on this machine; put the address there",
            "the webhook in a variable HOOK",
        ),
        (
            "env",
            "hooks.example/x",
            "notify.webhook: the environment variable HOOK holds no address such as https://host/path",
            "the webhook in a variable HOOK",
        ),
        (
            "file",
            None,
            (
                "notify.webhook: the file /nowhere/hook cannot be read, or is empty, on this machine; put "
                "the address there"
            ),
            "the webhook in a file",
        ),
    ],
)
def test_a_secret_that_is_not_there_is_said_in_a_sentence(
    schedule: ScheduleFolder,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    content: str | None,
    said: str,
    who: str,
) -> None:
    if content:
        monkeypatch.setenv("HOOK", content)
    notices = [notice(webhook={where: "HOOK" if where == "env" else "/nowhere/hook"})]
    post(schedule, notices, record())
    assert waiting(schedule)[0]["why"] == said

    deliver(schedule, notices, LATER)
    (given_up,) = untold(schedule)
    assert given_up.reason == f"{who} was not told of promoted: {said}"


def test_a_receiver_that_the_job_no_longer_names_is_given_up(schedule: ScheduleFolder) -> None:
    with webhook("404") as hook, webhook() as other:
        post(schedule, [notice(webhook=hook.url)], record())
        deliver(schedule, [notice(webhook=other.url)], LATER)

    assert other.asked == []
    (given_up,) = untold(schedule)
    assert given_up.reason == (
        "127.0.0.1 was not told of promoted: the job's notify does not name it any more"
    )
    assert given_up.sweep == SWEEP
    assert given_up.tick == TICK


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"to": 1}', b'{"document": [], "next": "2026-01-01"}'])
def test_a_damaged_document_is_recorded_and_keeps_no_other(schedule: ScheduleFolder, content: bytes) -> None:
    schedule.write("notices/0.json", content)
    with webhook() as hook:
        post(schedule, [notice(webhook=hook.url)], record())

    assert len(hook.documents) == 1
    assert waiting(schedule) == []
    assert "notices/0.json is not as Recur writes it" in untold(schedule)[0].reason


def script(folder: Path, text: str) -> str:
    path = folder / "tell"
    path.write_text(f"#!{sys.executable}\nimport json, os, subprocess, sys, time\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_a_command_is_given_the_document(
    schedule: ScheduleFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    out = tmp_path / "got"
    code = (
        "open(sys.argv[1], 'w').write(sys.stdin.read()); print('told', os.environ['AWS_SECRET_ACCESS_KEY'])"
    )
    post(schedule, [notice(command=[script(tmp_path, code), str(out)])], record("drift"))

    assert json.loads(out.read_text())["event"] == "drift"
    assert capfd.readouterr().err == "told ***\n"
    assert waiting(schedule) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.exit(3)", "it ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", "it ended with exit code -9"),
        ("os.close(0); sys.exit(1)", "it ended with exit code 1"),
        ("while True: print('x' * 2**20)", "it prints more than 16 MB"),
    ],
)
def test_a_command_that_fails_is_run_again_later(
    schedule: ScheduleFolder, tmp_path: Path, code: str, why: str
) -> None:
    path = script(tmp_path, code)
    post(schedule, [notice(command=path)], record(long="x" * 2**20))
    assert waiting(schedule)[0]["why"] == why

    script(tmp_path, "sys.exit(0)")
    deliver(schedule, [notice(command=path)], LATER)
    assert waiting(schedule) == []
    assert untold(schedule) == []


def test_a_command_that_is_none_is_said(schedule: ScheduleFolder) -> None:
    post(schedule, [notice(command=["/nowhere/tell"])], record())
    (kept,) = waiting(schedule)
    assert (kept["receiver"], kept["why"]) == (
        "the command tell",
        "it cannot be started: No such file or directory",
    )


def test_a_command_that_does_not_end_is_killed_with_what_it_started(
    schedule: ScheduleFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "COMMAND_SECONDS", 3.0)
    out = tmp_path / "pids"
    code = (
        "sleep = ['sleep', '600']\n"
        "sleepers = [subprocess.Popen(sleep, start_new_session=apart) for apart in (False, True)]\n"
        f"open({str(out)!r}, 'w').write(' '.join(str(each.pid) for each in sleepers))\n"
        "time.sleep(600)"
    )
    began = time.monotonic()
    post(schedule, [notice(command=script(tmp_path, code))], record())

    assert time.monotonic() - began < 20
    assert waiting(schedule)[0]["why"] == "it had not ended after 3 s"
    pids = [int(pid) for pid in out.read_text().split()]
    assert len(pids) == 2
    assert [find(pid) for pid in pids] == [None, None]


def test_one_who_dies_while_telling_leaves_it_to_be_told_again(
    schedule: ScheduleFolder, tmp_path: Path
) -> None:
    """Nobody else tries at the same time."""
    out = tmp_path / "count"
    code = f"open({str(out)!r}, 'a').write('x'); os.kill(os.getppid(), 9)"
    path = script(tmp_path, code)
    if (child := os.fork()) == 0:
        post(schedule, [notice(command=path)], record())
        os._exit(0)
    os.waitpid(child, 0)
    (kept,) = waiting(schedule)
    script(tmp_path, f"open({str(out)!r}, 'a').write('y')")

    due = dt.datetime.fromisoformat(kept["next"])
    deliver(schedule, [notice(command=path)], due - MINUTE)
    assert out.read_text() == "x"
    deliver(schedule, [notice(command=path)], due)
    assert out.read_text() == "xy"
    assert waiting(schedule) == []


@pytest.mark.slow
def test_what_is_to_be_told_waits_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as port, webhook("404") as hook:
        folder = ScheduleFolder.of(Storage.open(uri(port, "sweeps")), "nightly")
        notices = [notice(webhook=hook.url)]
        post(folder, notices, record())
        assert _whys(folder) == ["it answers 404"]

        hook.answers = ["200"]
        deliver(folder, notices, dt.datetime.now(dt.UTC) + 2 * MINUTE)
        assert waiting(folder) == []
        assert len(_texts(hook)) == 2


def _whys(folder: ScheduleFolder) -> list[str]:
    return [each["why"] for each in waiting(folder)]


def _texts(hook: Webhook) -> list[str]:
    return [document["text"] for document in hook.documents]
