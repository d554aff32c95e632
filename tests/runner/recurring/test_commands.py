"""``recur schedule add``, ``list``, ``show``, ``pause``, ``resume``, ``remove``: what they say and leave."""

import json
from pathlib import Path

import pytest

from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.cli import exit_code
from runner.recurring.desk import Desk

JOB = """
name: load
data: {path: data, time: time, target: target}
window: {horizon: 4}
schedule: {overlap: queue, keep: 3}
promote: {margin: 0.05}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("RECUR_STORAGE", raising=False)
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path


def say(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command prints; on stderr where it fails."""
    capsys.readouterr()
    found = exit_code(["schedule", *arguments])
    out, err = capsys.readouterr()
    assert found == code, err
    return err if code else out


def add(capsys: pytest.CaptureFixture[str], *more: str, code: int = 0, cron: str = "0 2 * * *") -> str:
    return say(capsys, "add", "night", "job.yaml", "--cron", cron, *more, code=code)


def folder_of(here: Path) -> ScheduleFolder:
    return ScheduleFolder.of(Storage.open(str(here / "sweeps")), "night")


def test_add_shows_the_next_five_times(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = add(capsys, "--tz", "Europe/Berlin")
    times = [line for line in said.splitlines() if "02:00:00 CE" in line]
    assert len(times) == 5
    assert "recur schedule run night" in said
    assert folder_of(here).definition().zone == "Europe/Berlin"
    assert "/data" in folder_of(here).text("job.yaml")  # the path is whole: other machines are elsewhere


def test_what_is_added_is_listed_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    found = json.loads(say(capsys, "list", "--json"))
    assert [(each["schedule"], each["state"]) for each in found] == [("night", "waiting")]
    assert "night" in say(capsys, "list")
    shown = json.loads(say(capsys, "show", "night", "--json"))
    assert shown["rules"]["overlap"] == "queue"
    assert shown["promote"]["margin"] == 0.05
    assert [each["event"] for each in shown["history"]] == ["added"]
    assert "schedule.keep" in say(capsys, "show", "night")
    del here


def test_pause_and_resume(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    assert "paused" in say(capsys, "pause", "night")
    assert json.loads(say(capsys, "list", "--json"))[0]["state"] == "paused"
    assert "due next at" in say(capsys, "resume", "night")
    history = json.loads(say(capsys, "history", "night", "--json"))
    assert [each["event"] for each in history] == ["added", "paused", "unpaused"]
    assert all("process" in each["by"] for each in history)
    assert folder_of(here).state() is not None


def test_a_name_that_is_taken_is_replaced_only_when_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys)
    assert "--replace" in add(capsys, cron="0 3 * * *", code=2)
    assert folder_of(here).definition().cron == "0 2 * * *"
    add(capsys, "--replace", "--set", "schedule.keep=7", cron="0 3 * * *")
    assert folder_of(here).definition().cron == "0 3 * * *"
    assert json.loads(say(capsys, "show", "night", "--json"))["rules"]["keep"] == 7


def test_remove_leaves_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    assert "--yes" in say(capsys, "remove", "night", code=2)
    assert "removed" in say(capsys, "remove", "night", "--yes")
    assert "no schedules" in say(capsys, "list")
    assert not (here / "sweeps" / ".schedules" / "night").exists()
    assert [path for path in (here / "state").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cron", "0 0 31 2 *"], "cron: '0 0 31 2 *' cannot be"),
        (["--cron", "61 * * * *"], "bad minute"),
        (["--cron", "0 2 * *"], "4 fields"),
        (["--tz", "Europe/Berlln"], "did you mean Europe/Berlin"),
        (["--set", "schedule.overlap=never"], "schedule.overlap"),
        (["--set", "schedule.keeps=3"], "did you mean keep"),
        (["--set", "promote.confidence=2"], "promote.confidence"),
        (["--set", "notify=[{webhook: ftp://x}]"], "notify.0.webhook"),
        (["--set", "notify=[{on: promoted}]"], "notify.0"),
        (["--set", "notify=[{webhook: 'https://me:secret@host/x'}]"], "no key or password"),
        (["--cluster", "nowhere.yaml"], "nowhere.yaml: the cluster file cannot be read"),
    ],
)
def test_what_cannot_be_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    found = add(capsys, *options, code=2)
    assert said in found
    assert "Traceback" not in found
    assert "me:secret" not in found
    assert not (here / "sweeps").exists()


def test_commands_on_a_schedule_that_is_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    for command in ("show", "pause", "resume", "history", "run"):
        assert "did you mean night" in say(capsys, command, "nigt", code=2)
    assert "cannot be a schedule's name" in say(capsys, "show", "../night", code=2)
    del here


def test_a_definition_from_elsewhere_executes_nothing_unasked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who can write to the storage puts a command into the job."""
    add(capsys)
    folder = folder_of(here)
    touched = here / "touched"
    folder.write(
        folder.JOB, folder.read(folder.JOB) + f"notify: [{{command: [touch, {touched}]}}]\n".encode()
    )
    found = say(capsys, "run", "night", code=1)
    assert "notify.command" in found
    assert "--trust" in found
    assert not touched.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backend: slrum\n", "no such backend 'slrum'"),
        ("backend: slurm\npartitoin: x\n", "did you mean partition"),
        ("backend: [\n", "not valid YAML"),
    ],
)
def test_a_cluster_file_that_is_not_valid_any_more(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (here / "data").mkdir()
    add(capsys)
    folder = folder_of(here)
    folder.write(folder.CLUSTER, text.encode())
    found = say(capsys, "run", "night", "--trust", code=1)
    assert "cluster.yaml" in found
    assert said in found
    assert [record.event for record in folder.history()[0]] == ["added", "started", "failed"]


def test_a_run_that_was_broken_off_is_of_its_own_time(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    with Desk(folder_of(here)).deciding() as agenda:
        agenda.begin(agenda.now, manual=True)
    found = say(capsys, "run", "night", "--as-of", "2018-03-01", code=2)
    assert "--as-of" in found
    assert "go on with it first" in found


def test_as_of_that_is_no_time(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    assert "--as-of" in say(capsys, "run", "night", "--as-of", "soon", code=2)
    del here


def test_a_corrupt_record_is_said_by_its_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys)
    record = next((here / "sweeps" / ".schedules" / "night" / "history").rglob("*.json"))
    record.write_text("{")
    capsys.readouterr()
    assert exit_code(["schedule", "history", "night"]) == 0
    assert record.name in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_storage_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even by root, who may write elsewhere."""
    assert "cannot be written" in add(capsys, "--storage", "/sys/sweeps", code=2)
