"""A schedule that is on storage, rendered for each platform."""

from __future__ import annotations

import datetime as dt
import getpass
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.errors import ClusterError
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.recurring.render import Options, Platform, render, render_command
from tests.s3 import KEYS, s3_server, uri

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
JOB = """\
name: nightly
data: {path: s3://bucket/panel, time: date, target: y}
window: {horizon: 24}
schedule: {missed: MISSED}
"""
KUBERAY = """\
backend: kuberay
image: registry/recur:0.1
command: recur2
volumes: [{mount: MOUNT, claim: sweeps}]
"""
PLAIN = Options()


@pytest.fixture
def schedule(tmp_path: Path) -> ScheduleFolder:
    folder = ScheduleFolder.of(Storage.open(str(tmp_path / "sweeps")), "nightly")
    times = {"added": NOW.isoformat(), "since": NOW.isoformat()}
    folder.write_json(
        folder.DEFINITION,
        {"cron": "0 2 * * *", "zone": "Europe/Berlin", "by": "me", "digest": "", "paused": False} | times,
    )
    folder.write(folder.JOB, JOB.replace("MISSED", "skip").encode())
    return folder


def clustered(folder: ScheduleFolder, text: str) -> None:
    folder.write(folder.CLUSTER, text.replace("MOUNT", str(folder.storage.local)).encode())


def command(folder: ScheduleFolder, to: Platform, out: Path | None = None, **given: Any) -> None:
    render_command(name="nightly", to=to, storage=folder.storage.uri, out=out, options=Options(**given))


def test_cron_is_printed(schedule: ScheduleFolder, capfd: pytest.CaptureFixture[str]) -> None:
    command(schedule, "cron")
    said = capfd.readouterr()
    line = said.out.splitlines()[-1]
    assert re.match(r"0 2 \* \* \* /\S+", line)
    assert f" schedule run nightly --scheduled --storage {schedule.storage.uri} >> " in line
    assert said.err.startswith("Note: cron gives a command hardly any of your environment")


def test_units_are_written(
    schedule: ScheduleFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "units"
    command(schedule, "systemd", out)
    files = [out / "recur-nightly.service", out / "recur-nightly.timer"]
    assert capfd.readouterr().out == "".join(f"{file}\n" for file in files)
    service, timer = (file.read_text() for file in files)
    assert re.search(r"^ExecStart=/\S+", service, re.MULTILINE)
    assert "User=" not in service
    assert "Persistent=no" in timer

    schedule.write(schedule.JOB, JOB.replace("MISSED", "once").encode())
    command(schedule, "systemd", out, system=True)
    assert f"User={getpass.getuser()}\n" in files[0].read_text()
    assert "Persistent=yes" in files[1].read_text()


def test_units_are_printed_one_after_the_other(
    schedule: ScheduleFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    command(schedule, "systemd")
    out = capfd.readouterr().out
    assert re.findall(r"^# recur-nightly\.\w+$", out, re.MULTILINE) == [
        "# recur-nightly.service",
        "# recur-nightly.timer",
    ]


def test_a_folder_that_cannot_be_is_said(schedule: ScheduleFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterError, match=r"^--out .*file/x: cannot be written"):
        command(schedule, "cron", tmp_path / "file" / "x")


def test_a_kuberay_cluster_runs_it_on_its_head(schedule: ScheduleFolder) -> None:
    clustered(schedule, KUBERAY)
    (text,) = render(schedule, "kubernetes", PLAIN, NOW).files.values()
    config, job = yaml.safe_load_all(text)
    assert job["kind"] == "RayCronJob"
    assert "exec recur2 schedule run nightly --scheduled" in next(iter(config["data"].values()))


def test_elsewhere_an_image_runs_it_and_no_folder_of_this_machine_is_seen(schedule: ScheduleFolder) -> None:
    with pytest.raises(
        ClusterError, match=r"^--image: name the image that holds Recur, such as registry/rec"
    ):
        render(schedule, "kubernetes", PLAIN, NOW)
    given = Options(image="registry/recur:0.1", namespace="tuning", cpus=8, memory="16Gi")
    with pytest.raises(ClusterError, match=r"^storage .*/sweeps is a folder of this machine's, which no pod"):
        render(schedule, "kubernetes", given, NOW)


@pytest.mark.slow
def test_a_cron_job_reads_the_bucket(schedule: ScheduleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as port:
        folder = ScheduleFolder(Storage.open(uri(port, "sweeps")), schedule.name)
        for file in (folder.DEFINITION, folder.JOB):
            folder.write(file, schedule.read(file))
        given = Options(image="registry/recur:0.1", namespace="tuning", cpus=8, memory="16Gi")
        (text,) = render(folder, "kubernetes", given, NOW).files.values()

    job = yaml.safe_load(text)
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert job["metadata"]["namespace"] == "tuning"
    assert container["command"] == [
        *("recur", "schedule", "run", "nightly", "--scheduled", "--storage", folder.storage.uri)
    ]
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "16Gi"}


@pytest.mark.parametrize(
    ("cluster", "options", "said"),
    [
        (None, {"image": "a b"}, "--to kubernetes: image: 'a b' is no image such as registry/recur:0.1"),
        (None, {"image": "a", "namespace": "A"}, "--to kubernetes: namespace: 'A' is no namespace such as"),
        (None, {"image": "a", "memory": "x"}, "--to kubernetes: head.memory: 'x' is no amount of memory"),
        (KUBERAY, {"image": "a"}, "--image: the schedule's cluster file says that; leave it out"),
        (KUBERAY, {"cpus": 2}, "--cpus: the schedule's cluster file says that; leave it out"),
        (
            "{backend: slurm}",
            {"image": "a"},
            "schedule nightly runs on Slurm, to which no pod submits; use --to systemd or cron on a login",
        ),
    ],
)
def test_what_does_not_go_together_is_said(
    schedule: ScheduleFolder, cluster: str | None, options: dict[str, Any], said: str
) -> None:
    if cluster:
        clustered(schedule, cluster)
    with pytest.raises(ClusterError) as caught:
        render(schedule, "kubernetes", Options(**options), NOW)
    assert str(caught.value).startswith(said)


def test_one_that_is_not_there_is_said(schedule: ScheduleFolder) -> None:
    with pytest.raises(ClusterError, match=r"^no schedule 'nightli' in .*did you mean nightly"):
        render_command(name="nightli", to="cron", storage=schedule.storage.uri, out=None, options=PLAIN)
