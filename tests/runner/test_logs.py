"""Following a log whose cluster is out of reach for a moment, that begins anew, or has not begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from cluster.backends import Handle
from cluster.errors import ClusterError
from cluster.folder import Folder
from cluster.lease import holding
from cluster.storage import Storage
from cluster.submissions import DRIVER_LOG, submission_on
from runner import logs
from runner.cli import exit_code
from tests.runner.command import Recur
from tests.runner.scripts import write


def scripted(*answers: str | Exception) -> Callable[[], str]:
    """Gives one answer after another, and the last one for ever."""
    rest: Iterator[str | Exception] = iter(answers)

    def read() -> str:
        nonlocal last
        last = next(rest, last)
        if isinstance(last, Exception):
            raise last
        return last

    last: str | Exception = ""
    return read


def ended_after(times: int) -> Callable[[], bool]:
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        return asked > times

    return ended


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.0)


def test_each_line_is_printed_once_across_a_lost_connection(capsys: pytest.CaptureFixture[str]) -> None:
    away = ClusterError("the cluster cannot be reached")
    logs._follow(scripted("one\n", away, away, "one\ntwo\n", "one\ntwo\nthree\n"), ended_after(4), 0)
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_what_begins_anew_is_printed_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    logs._follow(scripted("first run\n", "again\n"), ended_after(1), 0)
    assert capsys.readouterr().out == "first run\nagain\n"


def test_a_cluster_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(logs.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(ClusterError, match="out of reach"):
        logs._follow(scripted(ClusterError("out of reach")), ended_after(100), 0)


def test_a_secret_is_withheld(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    logs._follow(scripted(f"token {'f' * 64}\n"), ended_after(0), 0)
    assert capsys.readouterr().out == "token ***\n"


def test_a_log_that_is_silent_is_asked_for_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 1.0)
    monkeypatch.setattr(logs.time, "sleep", waited.append)
    logs._follow(scripted("a\n", *["a\n"] * 9, "a\nb\n"), ended_after(11), 0)
    assert waited[0] == 1.0
    assert waited[1:9] == sorted(waited[1:9])
    assert waited[9] == logs._SELDOM_SECONDS
    assert waited[10] == 1.0


def test_of_a_log_on_storage_only_what_is_new_is_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(storage, "a")
    begun: list[int] = []
    usual = Folder.read_from

    def read_from(self: Folder, relative: str, start: int) -> bytes:
        begun.append(start)
        return usual(self, relative, start)

    monkeypatch.setattr(Folder, "read_from", read_from)
    log = logs._Growing(folder, "log")
    seen = [log.read()]
    for text in (b"one\n", b"one\ntwo\n", b"one\ntwo\n", b"new\n"):
        folder.write("log", text)
        seen.append(log.read())
    assert seen == ["", "one\n", "one\ntwo\n", "one\ntwo\n", "new\n"]
    assert begun == [0, 4, 0]


FUNCTION = """
import keras


def build(hp):
    print("using", hp.Int("units", 2, 6))
    model = keras.Sequential([keras.layers.SimpleRNN(hp.Int("units", 2, 6)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model
"""


@pytest.mark.slow
def test_a_trial_that_has_printed_nothing_yet_is_followed_till_the_sweep_ends(
    recur: Recur, panel_folder: Path
) -> None:
    job = write(
        recur.folder, panel_folder, FUNCTION, build="nets:build", scheduler="none, trials: 1", epochs=1
    )
    running = recur.start("run", job, "--workers=1")
    sweep = recur.storage / "built"
    while not (sweep / "journal" / "owner.json").exists():
        assert running.poll() is None
        time.sleep(0.05)
    assert not list(sweep.glob("logs/*.log"))

    said = recur("logs", "built", "--trial", "00000", "--follow").stdout

    assert "using" in said
    assert running.wait(60) == 0
    refused = recur("logs", "built", "--trial", "00009", "--follow", code=2).stderr
    assert "has no log of a trial '00009': there are those of 00000" in refused


def test_where_kubernetes_has_forgotten_a_sweep_its_storage_tells(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its RayJob is gone, and what its driver printed with it."""
    assert not list(kube.glob("*/job.yaml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    storage = Storage.open(str(tmp_path / "sweeps"))
    handle = Handle("kuberay", "small", storage.uri, "default/recur-small", "recur-small")
    beside = submission_on(storage, "small")
    beside.write_json("submission.json", {"handle": asdict(handle), "by": "somebody", "time": 1.0})
    beside.write(DRIVER_LOG, b"small: done\n")
    (tmp_path / "cluster.yaml").write_text("backend: kuberay\nimage: x\n")
    words = ["logs", "small", "--storage", storage.uri, "--cluster", str(tmp_path / "cluster.yaml")]

    assert exit_code([*words, "--follow"]) == 0

    assert capsys.readouterr().out == "small: done\n"


def test_a_process_elsewhere_has_ended_when_nobody_has_held_its_sweep_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed there, or its machine has died: it left no exit code."""
    folder = Storage.open(str(tmp_path)).sweep("small")
    monkeypatch.setattr(logs, "_LEAVE_SECONDS", 0.0)
    begins, old = logs._Silence(folder, time.time()), logs._Silence(folder, 0.0)
    assert not begins()  # it may be about to hold it
    with holding(folder):
        assert not begins()
        assert not old()
    begins()
    assert begins()
    old()
    assert old()
