"""A sweep as a job of a running Ray cluster, submitted over HTTP with the cluster's token."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cluster.backends.places import write_files
from cluster.backends.submission import JOB, Handle, Plan, State, Status, Submission
from cluster.clusters import RayJobsCluster
from cluster.errors import ClusterError
from cluster.reach import check_reachable

ANSWER_SECONDS = 10.0
STOP_SECONDS = 30.0

_STATES: Final[Mapping[str, State]] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "STOPPED": "stopped",
}


class RayJobsBackend:
    """Ships the job file as the Ray job's working directory and runs ``recur run`` beside the head."""

    def __init__(self, cluster: RayJobsCluster) -> None:
        self._cluster = cluster

    def plan(self, submission: Submission) -> Plan:
        """The entrypoint and what is shipped; touches nothing."""
        return Plan(
            backend="ray_jobs",
            name=submission.name,
            storage=submission.storage,
            target=self._cluster.address,
            command=tuple(submission.argv(("recur",), JOB, "--address", "auto")),
            files=submission.files(),
            env=self._cluster.environment(),
            notes=tuple(self._notes(submission)),
        )

    def _notes(self, submission: Submission) -> Iterator[str]:
        address = self._cluster.address
        if not self._cluster.elsewhere:
            return
        for what, place in (("storage", submission.storage), ("data.path", submission.data or "")):
            if place and "://" not in place:
                yield f"{what}: {place} has to be the same folder on every node of the cluster at {address}"
        if address.startswith("http:"):
            yield f"the token goes to {address} unencrypted; use https://, or a tunnel to that port"

    def submit(self, plan: Plan) -> Handle:
        """Hand it to the cluster.

        Raises:
            ClusterError: when the cluster cannot be reached, refuses the token or the job, or runs it now.
        """
        sweep = {"recur_name": plan.name, "recur_storage": plan.storage}
        with self._client(plan.name) as client, tempfile.TemporaryDirectory(prefix="recur-job-") as folder:
            _check_free(client, plan.name, sweep)
            write_files(Path(folder), plan.files)
            job = client.submit_job(
                entrypoint=shlex.join(plan.command),
                submission_id=f"{plan.name}-{secrets.token_hex(4)}",  # Ray never takes one twice
                runtime_env={"working_dir": folder, "env_vars": dict(plan.env)},
                metadata=sweep,
            )
        return Handle("ray_jobs", plan.name, plan.storage, plan.target, str(job))

    def status(self, handle: Handle) -> Status:
        """What the cluster says of it.

        Raises:
            ClusterError: when the cluster cannot be reached, refuses the token or no longer knows the job.
        """
        with self._client(handle.name) as client:
            return _status(client, handle)

    def logs(self, handle: Handle) -> str:
        """What the driver has printed.

        Raises:
            ClusterError: as ``status``.
        """
        with self._client(handle.name) as client:
            return str(client.get_job_logs(handle.id))

    def stop(self, handle: Handle) -> None:
        """SIGTERM, then SIGKILL when the cluster has waited long enough; returns when the job has ended.

        Raises:
            ClusterError: as ``status``, or when it has not ended after 30 s.
        """
        with self._client(handle.name) as client:
            if _status(client, handle).ended:
                return
            client.stop_job(handle.id)
            deadline = time.monotonic() + STOP_SECONDS
            while not _status(client, handle).ended:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"{handle.name}: it was asked to end and has not after {STOP_SECONDS:.0f} s"
                    )
                time.sleep(0.1)

    def forget(self, handle: Handle) -> None:
        """Have the cluster delete the job, if it has ended and is known still.

        Raises:
            ClusterError: when the cluster cannot be reached or refuses the token.
        """
        with self._client(handle.name) as client:
            # Of a deleted job Ray lists its driver still, without what it was submitted with.
            known = any(job.submission_id == handle.id and job.metadata for job in client.list_jobs())
            if known and _status(client, handle).ended:
                client.delete_job(handle.id)

    @contextmanager
    def _client(self, name: str) -> Iterator[Any]:
        """Ray's client, once it is known that the cluster answers and takes the token."""
        address, token = self._cluster.address, self._cluster.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        _check_answers(address, headers)
        # Ray tells every call's user that usage statistics are on, unless told before its import.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        from ray.exceptions import RayError
        from ray.job_submission import JobSubmissionClient

        logging.getLogger("ray").setLevel(logging.WARNING)  # else each submission tells of its upload
        try:
            yield JobSubmissionClient(address, headers=headers)
        except (RuntimeError, ConnectionError, ValueError, RayError) as error:
            raise ClusterError(f"{name}: the Ray cluster at {address} {_reason(error)}") from None


def _check_free(client: Any, name: str, sweep: Mapping[str, str]) -> None:
    for job in client.list_jobs():
        if sweep.items() <= (job.metadata or {}).items() and not Status(_STATES[job.status]).ended:
            raise ClusterError(
                f"{name}: it is running already as Ray job {job.submission_id}; stop it first or wait"
            )


def _status(client: Any, handle: Handle) -> Status:
    info = client.get_job_info(handle.id)
    # Ray puts the end of the log behind the message; whoever wants it asks for the log.
    return Status(_STATES[info.status], (info.message or "").partition(", last available logs")[0])


def _reason(error: Exception) -> str:
    """What Ray's client reports, be it one line or the server's whole traceback."""
    text = str(error).strip()
    if "status code 404" in text:
        return "does not know this job any more; submit it again, what has finished is kept"
    last = (text.splitlines() or [type(error).__name__])[-1]
    return f"refused: {last.removeprefix('Request failed with status code ')}"


def _check_answers(address: str, headers: Mapping[str, str]) -> None:
    """Ray's own client waits for ever for an answer, and says the same of a wrong port as of an old Ray.

    Raises:
        ClusterError: when nobody answers, it is no Ray cluster, or the token is missing or wrong.
    """
    what, parts = f"the Ray cluster at {address}", urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    hint = "check the address (the dashboard's, port 8265 unless changed) and that the cluster is up"
    check_reachable(str(parts.hostname), port, what=what, hint=hint)
    request = urllib.request.Request(f"{address}/api/version", headers=dict(headers))  # noqa: S310 - http(s) by its model
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=ANSWER_SECONDS) as answer:
            answer.read(4096)
    except urllib.error.HTTPError as error:
        error.close()
        raise ClusterError(
            f"{what} {_HTTP.get(error.code, f'answers with HTTP {error.code}; look at its logs')}"
        ) from None
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else str(getattr(error, "reason", error))
        raise ClusterError(f"{what} does not answer as one should: {reason}; {hint}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is meant for the address that the user gave, and for no other."""

    def redirect_request(self, *_arguments: Any) -> None:
        """None: the answer is what it is."""


_REDIRECTED = "sends whoever asks elsewhere, where no token is taken; give the address that it leads to"
_HTTP = {
    **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECTED),
    401: "wants a token and got none; set RAY_AUTH_TOKEN, or token_env or token_file in the cluster file",
    403: "refuses the token; use the one that it was started with (ray get-auth-token prints it there)",
    404: "is no Ray cluster with a Jobs API; give the address of its dashboard, port 8265 unless changed",
}
