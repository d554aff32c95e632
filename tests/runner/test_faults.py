"""A sweep that is stopped or killed, with real processes and real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from cluster.processes import command, descendants
from tests.runner.command import JobWriter, Recur, content, journal

TRIALS = 6


def _results(sweep: Path) -> int:
    return sum(event["event"] == "result" for event in journal(sweep))


def _wait_for_results(sweep: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(3600):
        if sweep.exists() and _results(sweep) >= count:
            return
        assert process.poll() is None, _said(sweep)
        time.sleep(0.05)
    raise AssertionError(f"no {count} results within three minutes")


def _said(sweep: Path) -> str:
    """What the command that ended too early had to say."""
    return (sweep.parents[1] / "stderr.txt").read_text()


def _start(recur: Recur, *arguments: str | Path) -> subprocess.Popen[bytes]:
    with (recur.folder / "stderr.txt").open("wb") as said:
        return recur.start(*arguments, stdout=subprocess.DEVNULL, stderr=said)


def _wait_until_gone(pids: set[int]) -> None:
    for _ in range(600):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.05)
    left = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids if Path(f"/proc/{pid}").exists()]
    raise AssertionError(f"still running after 30 s: {left}")


def _pid(process: subprocess.Popen[bytes], program: str) -> int:
    """The process below ``process`` whose program (with its first arguments) is this one."""
    programs = {child.pid: command(child.pid) for child in descendants(process.pid)}
    return next(pid for pid, words in programs.items() if program in words[:200])


def _family(process: subprocess.Popen[bytes]) -> set[int]:
    return {child.pid for child in descendants(process.pid)} | {process.pid}


def _told_once(sweep: Path) -> None:
    told = Counter((e["trial"], e["epoch"]) for e in journal(sweep) if e["event"] == "result")
    assert set(told.values()) <= {1}  # a slow machine may tell none in that time
    ends = Counter(e["trial"] for e in journal(sweep) if e["event"] == "end")
    assert set(ends.values()) == {1}
    assert len(ends) == TRIALS


def _long_job(write_job: JobWriter, folder: Path) -> Path:
    """Trials of some seconds, so that a signal finds them at work."""
    return write_job(folder, trials=TRIALS, epochs=9)


def test_ctrl_c_on_a_terminal_keeps_what_was_found_and_leaves_no_process(
    recur: Recur, write_job: JobWriter
) -> None:
    terminal, typed = os.openpty()
    job = _long_job(write_job, recur.folder)
    process = recur.start(
        "run", job, stdin=typed, stdout=typed, stderr=typed, start_new_session=True, preexec_fn=_own_terminal
    )
    os.close(typed)
    shown = _Screen(terminal)
    sweep = recur.storage / "small"
    _wait_for_results(sweep, 2, process)
    family = _family(process)
    shown.read_for(1.0)
    os.write(terminal, b"\x03")
    shown.read_until_end()
    assert process.wait(90) == 130
    assert "Ctrl-C stops and keeps what was found" in shown.text
    assert "Stopped. What was found is kept in" in shown.text
    assert "Traceback" not in shown.text
    _wait_until_gone(family)
    assert recur.json("status", "small")["state"] == "interrupted"
    assert recur.json("best", "small")["checkpoint"] == str(sweep / "best/model.keras")
    recur("run", job, "--workers=1")
    assert recur.json("status", "small")["state"] == "done"
    _told_once(sweep)


def test_sigterm_stops_like_ctrl_c(recur: Recur, write_job: JobWriter) -> None:
    process = _start(recur, "run", _long_job(write_job, recur.folder))
    _wait_for_results(recur.storage / "small", 1, process)
    family = _family(process)
    process.terminate()
    assert process.wait(90) == 130
    assert "Stopped. What was found is kept in" in _said(recur.storage / "small")
    _wait_until_gone(family)


@pytest.mark.parametrize("seconds", [0.5, 1.5, 3.0])
def test_sigterm_while_ray_starts_stops_too(recur: Recur, write_job: JobWriter, seconds: float) -> None:
    process = _start(recur, "run", _long_job(write_job, recur.folder))
    sweep = recur.storage / "small"
    while not (sweep / "journal").is_dir():
        time.sleep(0.01)
    time.sleep(seconds)
    family = _family(process)
    process.terminate()
    assert process.wait(90) == 130
    assert _said(sweep).endswith(
        f"Stopped. What was found is kept in {sweep}\n"
        "Run the same command again to go on; see what there is with: recur best small\n"
    )
    _wait_until_gone(family)
    assert recur.json("status", "small")["state"] == "interrupted"


def test_a_users_modules_of_the_same_names_are_not_taken_for_ours(recur: Recur, write_job: JobWriter) -> None:
    for name in ("cluster", "jobs", "runner"):
        (recur.folder / f"{name}.py").write_text("raise ImportError('the wrong one')\n")
    job = write_job(recur.folder, trials=1, epochs=1)
    command = [Path(sys.executable).with_name("recur"), "run", job, "--json"]
    done = subprocess.run(command, cwd=recur.folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["trial_id"] == "00000"


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, write_job: JobWriter) -> None:
    """With one worker the journals agree in every configuration, result and end."""
    recurs = [Recur(tmp_path / name) for name in ("whole", "killed")]
    for recur in recurs:
        recur.folder.mkdir()
    jobs = [_long_job(write_job, recur.folder) for recur in recurs]
    recurs[0]("run", jobs[0], "--workers", "1")
    process = _start(recurs[1], "run", jobs[1], "--workers", "1")
    sweep = recurs[1].storage / "small"
    _wait_for_results(sweep, 7, process)
    family = _family(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_until_gone(family)
    assert recurs[1].json("status", "small")["state"] == "interrupted"
    recurs[1]("run", jobs[1], "--workers", "1")
    _told_once(sweep)
    kinds = ("trial", "result", "end")
    assert content(sweep, *kinds) == content(recurs[0].storage / "small", *kinds)
    best = [recur.json("best", "small") for recur in recurs]
    assert best[0]["test"] == best[1]["test"]


def test_a_killed_training_process_costs_only_its_leg(recur: Recur, write_job: JobWriter) -> None:
    process = _start(recur, "run", _long_job(write_job, recur.folder))
    sweep = recur.storage / "small"
    _wait_for_results(sweep, 2, process)
    os.kill(_pid(process, "-m runner.worker"), signal.SIGKILL)
    assert process.wait(240) == 0
    _told_once(sweep)
    assert recur.json("status", "small")["trials"]["failed"] == 0


@pytest.mark.parametrize("server", ["raylet/raylet", "gcs/gcs_server"])
def test_a_killed_server_of_rays_loses_nothing(recur: Recur, write_job: JobWriter, server: str) -> None:
    """The run ends with a sentence and nothing of Ray's own words, and resumes."""
    job = _long_job(write_job, recur.folder)
    process = _start(recur, "run", job)
    sweep = recur.storage / "small"
    _wait_for_results(sweep, 2, process)
    family = _family(process)
    os.kill(_pid(process, f"core/src/ray/{server}"), signal.SIGKILL)
    assert process.wait(60) == 1
    assert "Failed: Ray has died on this machine" in _said(sweep)
    assert "state-dump" not in _said(sweep)
    assert "Traceback" not in _said(sweep)
    _wait_until_gone(family)
    recur("run", job, "--workers=1")
    assert recur.json("status", "small")["state"] == "done"
    _told_once(sweep)


def test_a_second_run_of_a_running_sweep_is_refused(recur: Recur, write_job: JobWriter) -> None:
    job = _long_job(write_job, recur.folder)
    process = _start(recur, "run", job, "--workers=1")
    _wait_for_results(recur.storage / "small", 1, process)
    refused = recur("run", job, code=2)
    assert f"sweep small is being run by process {process.pid} on " in refused.stderr
    assert recur.json("status", "small")["state"] == "running"
    process.terminate()
    assert process.wait(90) == 130


def _own_terminal() -> None:
    """Makes the pseudo-terminal the process's own, so that ^C typed there interrupts it."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Screen:
    """Reads what a program writes to a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self.text = terminal, ""

    def read_for(self, seconds: float) -> None:
        import select

        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self._terminal], [], [], left)[0]:
            self._read()

    def read_until_end(self) -> None:
        while self._read():
            pass
        os.close(self._terminal)

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # Linux's way to say that nobody writes to a terminal any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


def test_a_training_process_that_hangs_is_killed_and_its_trial_goes_on(
    recur: Recur, write_job: JobWriter
) -> None:
    job = _long_job(write_job, recur.folder)
    process = _start(recur, "run", job, "--workers=1", "--set", "search.heartbeat=10")
    sweep = recur.storage / "small"
    _wait_for_results(sweep, 3, process)

    os.kill(_pid(process, "runner.worker"), signal.SIGSTOP)

    assert process.wait(120) == 0, _said(sweep)
    _told_once(sweep)
    (lost,) = content(sweep, "lost")
    assert (lost["error"], lost["timeout"]) == ("hung for 10 s", False)
    trial = next(each for each in recur.json("trials", "small") if each["id"] == lost["trial"])
    assert "lost its worker 1 time: hung for 10 s" in trial["diagnosis"]


def test_trials_that_take_too_long_are_tried_three_times(recur: Recur, write_job: JobWriter) -> None:
    job = write_job(recur.folder, trials=1, scheduler="none", epochs=100_000)
    overrides = ("train.early_stopping=null", "search.trial_timeout=4", "model.units=12")

    done = recur("run", job, "--workers=1", *(word for each in overrides for word in ("--set", each)), code=1)

    assert "trained longer than search.trial_timeout allows" in done.stderr
    lost = content(recur.storage / "small", "lost")
    assert [event["timeout"] for event in lost] == [True] * 3
    told = Counter(e["epoch"] for e in journal(recur.storage / "small") if e["event"] == "result")
    assert set(told.values()) <= {1}  # a slow machine may tell none in that time
