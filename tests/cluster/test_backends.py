"""One contract over every backend, with a real detached process and a real Ray head; then each one's own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster.backends import Backend, Handle, Status, Submission, backend_for, backends
from cluster.backends.places import submission_folder
from cluster.backends.ray_jobs import RayJobsBackend
from cluster.clusters import LocalCluster, RayJobsCluster
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster, Volume
from cluster.processes import find, wait_gone
from cluster.slurmcluster import SlurmCluster
from tests.cluster.head import Head, free_ports, living

HELLO = "import os, sys; print(open(sys.argv[1]).read(), os.environ['A'], file=sys.stderr)"
LATE = "import sys, time; time.sleep(1.5); print('boom'); sys.exit(3)"
LASTING = "import time; print('up', flush=True); time.sleep(60)"


@dataclass(frozen=True)
class Snippet(Submission):
    """Runs a line of Python with the job file's path in place of ``recur run``."""

    code: str = ""

    def argv(self, program: Sequence[str], jobfile: str, *extra: str) -> list[str]:
        del program, extra
        return ["python", "-c", self.code, jobfile]


@pytest.fixture(params=list(backends()))
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Backend:
    env = {"A": "from the file"}
    if request.param in {"slurm", "kuberay"}:
        request.getfixturevalue(request.param.removesuffix("ray"))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)
    if request.param == "local":
        return backend_for(LocalCluster(backend="local", env=env))
    if request.param == "kuberay":
        volume = Volume(mount=str(tmp_path), claim="here")
        return backend_for(KubeRayCluster(backend="kuberay", image="recur", env=env, volumes=(volume,)))
    if request.param == "slurm":
        return backend_for(SlurmCluster(backend="slurm", cpus=1, env=env))
    head: Head = request.getfixturevalue("head")
    variable = "HEADS_TOKEN"
    monkeypatch.setenv(variable, head.token)
    return backend_for(
        RayJobsCluster(backend="ray_jobs", address=head.dashboard, token_env=variable, env=env)
    )


@pytest.fixture
def submit(backend: Backend, tmp_path: Path) -> Iterator[Callable[[str, str], Handle]]:
    """Submits a line of Python under a name; what still runs at the end is stopped."""
    handles = []

    def submit(name: str, code: str) -> Handle:
        sweep = Snippet(name, "name: x", str(tmp_path), code=code)
        handles.append(backend.submit(backend.plan(sweep)))
        return handles[-1]

    yield submit
    for handle in handles:
        with suppress(ClusterError):  # one that was forgotten
            backend.stop(handle)


def test_a_submitted_command_gets_its_job_and_environment_and_its_log_is_kept(
    backend: Backend, submit: Callable[[str, str], Handle]
) -> None:
    handle = submit("hello", HELLO)
    assert ended(backend, handle).state == "done"
    assert "name: x from the file\n" in backend.logs(handle)
    assert json.loads(json.dumps(dataclasses.asdict(handle))) == dataclasses.asdict(handle)


def test_what_a_command_is_told_comes_as_it_was_said(
    backend: Backend, submit: Callable[[str, str], Handle]
) -> None:
    """As a URI's options do, whatever shells are on the way."""
    words = "s3://b?endpoint_override=minio:9000&scheme=http 'one' \"two\" $HOME `id` #3 \\\\ * (a;b|c) !"
    handle = submit("words", f"import os; print({words!r}, os.environ['A'])")
    assert ended(backend, handle).state == "done"
    assert f"{words} from the file\n" in backend.logs(handle)


def test_a_command_that_fails_later_is_failed_and_says_how(
    backend: Backend, submit: Callable[[str, str], Handle]
) -> None:
    handle = submit("late", LATE)
    status = ended(backend, handle)
    assert status.state == "failed"
    assert status.message.endswith("exit code 3")
    assert "boom\n" in backend.logs(handle)


def test_a_running_one_is_not_started_twice_and_can_be_stopped_and_submitted_again(
    backend: Backend, submit: Callable[[str, str], Handle]
) -> None:
    handle = submit("lasting", LASTING)
    wait_for(lambda: "up\n" in backend.logs(handle))
    assert backend.status(handle) == Status("running", backend.status(handle).message)
    with pytest.raises(ClusterError, match=r"^lasting: it is running already as .*; stop it first or wait"):
        submit("lasting", LASTING)
    backend.stop(handle)
    assert backend.status(handle).state == "stopped"
    backend.stop(handle)
    assert ended(backend, submit("lasting", HELLO)).state == "done"


def test_one_that_is_forgotten_leaves_nothing_on_its_cluster(
    request: pytest.FixtureRequest, backend: Backend, submit: Callable[[str, str], Handle]
) -> None:
    handle = submit("gone", HELLO)
    ended(backend, handle)
    backend.forget(handle)
    backend.forget(handle)
    if handle.backend == "kuberay":
        kube: Path = request.getfixturevalue("kube")
        assert backend.status(handle).message == f"RayJob {handle.target} is not known any more"
        assert [path.name for path in kube.rglob("*") if "gone" in path.name] == []
    if handle.backend == "ray_jobs":
        with pytest.raises(ClusterError, match=r"^gone: .* does not know this job any more"):
            backend.status(handle)


def test_a_plan_is_pure_and_shows_no_value_of_the_environment(backend: Backend, tmp_path: Path) -> None:
    sweep = Submission("plan", "name: x", str(tmp_path), ("--trials", "9"), {"own/net.py": "hunter2"})
    plan = backend.plan(sweep)
    assert backend.plan(sweep) == plan
    shown = plan.describe().splitlines()
    assert shown[0] == f"backend      {plan.backend}"
    assert "environment  A" in shown
    assert "file         job.yaml (7 bytes)" in shown
    assert "file         own/net.py (7 bytes)" in shown
    run = f" --name plan --storage {tmp_path} --trials 9"
    assert any("job.yaml" + run in line for line in [*shown, *plan.document.splitlines()])
    assert "hunter2" not in repr(plan) + repr(sweep)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 129, "a\n"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match=" cannot name a sweep: use letters, digits and"):
        Submission(name, "", "/storage")


class TestLocal:
    backend = backend_for(LocalCluster(backend="local"))

    def test_one_that_dies_at_once_is_an_error_with_the_last_line_of_its_log(self, tmp_path: Path) -> None:
        with pytest.raises(ClusterError) as caught:
            self.submit(tmp_path, "print('first'); raise SystemExit('no such shard')")
        log = tmp_path / ".submissions" / "sweep" / "log.txt"
        assert str(caught.value) == f"sweep: the sweep ended at once: no such shard (all of it: {log})"

    def test_it_survives_the_death_of_who_submitted_it(self, tmp_path: Path) -> None:
        """Another process finds it by its name, and it is in no terminal's session."""
        code = (
            f"from tests.cluster.test_backends import *; TestLocal().submit(Path({str(tmp_path)!r}), LASTING)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        handle = Handle(**json.loads((tmp_path / ".submissions/sweep/handle.json").read_text()))
        pid = int(handle.id.split()[1])
        assert self.backend.status(handle) == Status("running")
        assert os.getsid(pid) == pid
        family = living([pid])
        self.backend.stop(handle)
        assert wait_gone(family, 5) == []

    def test_one_that_was_killed_has_failed(self, tmp_path: Path) -> None:
        handle = self.submit(tmp_path, LASTING)
        os.killpg(int(handle.id.split()[1]), 9)
        assert ended(self.backend, handle) == Status("failed", "it was killed")

    def test_a_number_used_again_is_not_taken_for_it(self, tmp_path: Path) -> None:
        handle = self.submit(tmp_path, "import time; time.sleep(1.1)")
        ended(self.backend, handle)
        (tmp_path / ".submissions" / "sweep" / "exit").unlink()
        host, _, started = handle.id.split()
        reused = dataclasses.replace(handle, id=f"{host} {os.getpid()} {started}")
        assert self.backend.status(reused).state == "failed"
        self.backend.stop(reused)
        assert find(os.getpid()) is not None

    def test_another_machines_handle_is_sent_there(self, tmp_path: Path) -> None:
        handle = Handle("local", "sweep", str(tmp_path), str(tmp_path), "elsewhere 1 boot/1")
        with pytest.raises(
            ClusterError, match=r"^sweep: it was submitted on the machine elsewhere; ask there$"
        ):
            self.backend.status(handle)

    def test_another_machines_handle_whose_end_lies_on_storage_is_told(self, tmp_path: Path) -> None:
        """Its log may be read there, too; where it is not, that is said at once."""
        handle = Handle("local", "sweep", str(tmp_path), str(tmp_path), "elsewhere 1 boot/1")
        with pytest.raises(ClusterError, match=r"^sweep: .* machine elsewhere, where its log is; ask there$"):
            self.backend.logs(handle)
        (tmp_path / "log.txt").write_text("here")
        (tmp_path / "exit").write_text("3")
        assert self.backend.logs(handle) == "here"
        assert self.backend.status(handle) == Status("failed", "it ended with exit code 3")

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ClusterError, match=r"the sweep cannot be started: Not a directory$"):
            self.submit(tmp_path / "file", HELLO)

    def test_storage_that_is_no_folder_leaves_its_files_in_the_users_state(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        digest = hashlib.sha256(b"s3://bucket/a").hexdigest()[:16]
        expected = tmp_path / "recur" / "submissions" / f"s3-bucket-a-{digest}" / "sweep"
        assert submission_folder("s3://bucket/a", "sweep") == expected

    def test_a_storage_of_any_length_has_a_folder_of_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        long = "s3://bucket/" + "/".join(["täglich" * 20] * 20)
        folders = {submission_folder(long + end, "sweep") for end in ("/a", "/b", "-a", "/ä")}
        assert len(folders) == 4
        for folder in folders:
            folder.mkdir(parents=True)

    def test_what_lies_in_the_users_state_is_the_users_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        snippet = Snippet("sweep", "x", "s3://bucket/a", modules={"own/net.py": "x"}, code="print('here')")
        handle = self.backend.submit(self.backend.plan(snippet))
        assert ended(self.backend, handle) == Status("done")
        own = [path for path in (tmp_path / "state").rglob("*") if path.name not in {"exit", "own", "net.py"}]
        assert len(own) == 7
        assert [path for path in own if path.stat().st_mode & 0o077] == []

    def submit(self, storage: Path, code: str) -> Handle:
        return self.backend.submit(
            self.backend.plan(dataclasses.replace(Snippet("sweep", "", str(storage)), code=code))
        )


class TestRayJobs:
    def test_a_wrong_token_and_none_are_refused(self, head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
        what = f"the Ray cluster at {head.dashboard}"
        hint = "use the one that it was started with (ray get-auth-token prints it there)"
        assert refusal(head.dashboard) == f"{what} refuses the token; {hint}"
        monkeypatch.delenv("RAY_AUTH_TOKEN")
        hint = "set RAY_AUTH_TOKEN, or token_env or token_file in the cluster file"
        assert refusal(head.dashboard) == f"{what} wants a token and got none; {hint}"

    def test_an_address_where_nothing_listens(self) -> None:
        address = f"http://127.0.0.1:{free_ports(1)[0]}"
        hint = "check the address (the dashboard's, port 8265 unless changed) and that the cluster is up"
        assert (
            refusal(address)
            == f"the Ray cluster at {address} cannot be reached: nothing listens there; {hint}"
        )

    def test_an_address_where_something_else_listens(self, tmp_path: Path) -> None:
        port = free_ports(1)[0]
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(tmp_path)]
        address = f"http://127.0.0.1:{port}"
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                wait_for(lambda: "is no Ray cluster with a Jobs API" in refusal(address))
            finally:
                server.kill()

    def test_an_address_that_leads_elsewhere_is_not_followed_with_the_token(
        self, head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)

        class Elsewhere(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(307)
                self.send_header("Location", f"{head.dashboard}{self.path}")
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            said = refusal(f"http://127.0.0.1:{server.server_port}")
            server.shutdown()
        assert "sends whoever asks elsewhere, where no token is taken; give the address" in said

    @pytest.mark.parametrize(
        ("address", "storage", "said"),
        [
            ("http://127.0.0.1:8265", "/a", []),
            ("http://localhost:8265", "/a", []),
            ("https://ray.example", "s3://a", []),
            ("https://ray.example", "/a", ["storage: /a has to be", "data.path: /b has to be"]),
            ("http://10.0.0.5:8265", "s3://a", ["the token goes to http://10.0.0.5:8265 unencrypted"]),
        ],
    )
    def test_what_another_machine_makes_different_is_noted(
        self, address: str, storage: str, said: list[str]
    ) -> None:
        data = "/b" if storage == "/a" else "gs://b"
        backend = RayJobsBackend(RayJobsCluster(backend="ray_jobs", address=address))
        notes = backend.plan(Submission("sweep", "", storage, data=data)).notes
        assert [note[: len(start)] for note, start in zip(notes, said, strict=True)] == said

    def test_a_job_that_the_cluster_has_forgotten(self, head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
        backend = RayJobsBackend(RayJobsCluster(backend="ray_jobs", address=head.dashboard))
        expected = "sweep: .* does not know this job any more; submit it again, what has finished is kept$"
        for ask in (backend.status, backend.logs, backend.stop):
            with pytest.raises(ClusterError, match=expected):
                ask(Handle("ray_jobs", "sweep", "/storage", head.dashboard, "nobody-1"))


def refusal(address: str) -> str:
    backend = RayJobsBackend(RayJobsCluster(backend="ray_jobs", address=address))
    with pytest.raises(ClusterError) as caught:
        backend.submit(backend.plan(Submission("sweep", "", "/storage")))
    return str(caught.value)


def ended(backend: Backend, handle: Handle) -> Status:
    wait_for(lambda: backend.status(handle).ended)
    return backend.status(handle)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
