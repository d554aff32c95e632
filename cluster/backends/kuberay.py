"""A sweep as a RayJob on Kubernetes, by ``kubectl``."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from typing import Any, Final

from cluster.backends.rayjob import check_storage_mounted, manifest, mounted, object_name, run_script
from cluster.backends.raypods import JOB_FOLDER, RUN
from cluster.backends.submission import JOB, Handle, Plan, State, Status, Submission
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster

ANSWER_SECONDS = 60.0
STOP_SECONDS = 150.0  # the pods have 90 s to end
_WAITING_SECONDS = 120  # that a run waits for one before it, whose cluster has died, to count as dead

_DEPLOYED: Final[Mapping[str, State]] = {
    "": "pending",
    "Initializing": "pending",
    "Waiting": "pending",
    "Running": "running",
    "Retrying": "pending",
    "Suspending": "running",
    "Suspended": "stopped",
    "ValidationFailed": "failed",
    "Failed": "failed",
}
_FINISHED: Final[Mapping[str, State]] = {"SUCCEEDED": "done", "STOPPED": "stopped", "FAILED": "failed"}


class KubeRayBackend:
    """Renders a RayJob and hands it to the operator."""

    def __init__(self, cluster: KubeRayCluster) -> None:
        self._cluster = cluster

    def plan(self, submission: Submission) -> Plan:
        """The manifest; touches nothing.

        Raises:
            ClusterError: storage or data are in no volume, or the files are too much for a ConfigMap.
        """
        self._check_places(submission)
        cluster, env = self._cluster, self._cluster.environment()
        extra = ("--address", "auto", "--wait", str(_WAITING_SECONDS))
        command = submission.argv((cluster.command,), f"{JOB_FOLDER}/{JOB}", *extra)
        files = submission.files() | {RUN: run_script(command)}
        where = f"{cluster.context}/" if cluster.context else ""
        return Plan(
            backend="kuberay",
            name=submission.name,
            storage=submission.storage,
            target=f"{where}{cluster.namespace}/{object_name(submission.name)}",
            command=("sh", f"{JOB_FOLDER}/{RUN}"),
            files=files,
            env={**env, **dict.fromkeys(cluster.secrets, "")},
            document=manifest(cluster, submission.name, files, env),
        )

    def _check_places(self, submission: Submission) -> None:
        data = submission.data
        check_storage_mounted(self._cluster, submission.storage)
        if data is not None and not mounted(self._cluster, data, writable=False):
            raise ClusterError(
                f"data.path: {data} is in no volume of the pods; mount one there (volumes), or have the "
                "shards at an s3:// or gs:// URI"
            )

    def submit(self, plan: Plan) -> Handle:
        """Apply the manifest, in the place of one of the same name that has ended.

        Raises:
            ClusterError: there is no kubectl, the cluster refuses it, or it runs already.
        """
        handle = Handle("kuberay", plan.name, plan.storage, plan.target, object_name(plan.name))
        if shutil.which("kubectl") is None:
            raise ClusterError(
                "kubectl is not on the PATH; save what recur submit --dry-run prints and apply it where it is"
            )
        found = self._get(handle)
        if found is not None:
            if not (status := _status(found)).ended:
                raise ClusterError(
                    f"{plan.name}: it is running already as RayJob {plan.target} ({status.state}); "
                    "stop it first or wait"
                )
            self._kubectl("delete", "rayjob", handle.id, "--ignore-not-found", "--timeout=120s", seconds=150)
        self._kubectl("apply", "--filename=-", given=plan.document)
        return handle

    def status(self, handle: Handle) -> Status:
        """What the operator says of it.

        Raises:
            ClusterError: the cluster cannot be asked.
        """
        found = self._get(handle)
        if found is None:
            return Status("failed", f"RayJob {handle.target} is not known any more")
        return _status(found)

    def logs(self, handle: Handle) -> str:
        """What the driver has printed; nothing before it runs.

        Raises:
            ClusterError: the cluster cannot be asked.
        """
        asked = self._ask("logs", f"job/{handle.id}", "--tail=-1")
        if asked.returncode and not _not_yet(asked.stderr):
            raise ClusterError(_refusal(asked))
        return asked.stdout

    def stop(self, handle: Handle) -> None:
        """Suspend it: its pods are told to end, and the sweep in them to save.

        Raises:
            ClusterError: the cluster cannot be asked, or its pods have not ended.
        """
        if self.status(handle).ended:
            return
        self._kubectl("patch", "rayjob", handle.id, "--type=merge", '--patch={"spec":{"suspend":true}}')
        deadline = time.monotonic() + STOP_SECONDS
        while not self.status(handle).ended:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{handle.name}: RayJob {handle.target} was asked to end and has not; "
                    f"see: kubectl describe rayjob {handle.id}"
                )
            time.sleep(0.5)

    def forget(self, handle: Handle) -> None:
        """Delete the RayJob, and the ConfigMap that it came with.

        Raises:
            ClusterError: the cluster cannot be asked, or refuses.
        """
        objects = (f"rayjob/{handle.id}", f"configmap/{handle.id}")
        self._kubectl("delete", *objects, "--ignore-not-found", "--timeout=120s", seconds=150)

    def _get(self, handle: Handle) -> dict[str, Any] | None:
        said = self._kubectl("get", "rayjob", handle.id, "--ignore-not-found", "--output=json")
        try:
            found: dict[str, Any] | None = json.loads(said) if said.strip() else None
        except ValueError:
            raise ClusterError(f"kubectl get rayjob gave no JSON but {said.strip()[:80]!r}") from None
        return found

    def _kubectl(self, *words: str, given: str | None = None, seconds: float = ANSWER_SECONDS) -> str:
        asked = self._ask(*words, given=given, seconds=seconds)
        if asked.returncode:
            raise ClusterError(_refusal(asked))
        return asked.stdout

    def _ask(
        self, *words: str, given: str | None = None, seconds: float = ANSWER_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        path = shutil.which("kubectl")
        if path is None:
            raise ClusterError("kubectl is not on the PATH; ask from a machine that has it")
        context = [f"--context={self._cluster.context}"] if self._cluster.context else []
        where = [f"--namespace={self._cluster.namespace}", *context]
        try:
            return subprocess.run(  # noqa: S603 - words, no shell
                [path, *where, *words],
                input=given or "",
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"kubectl {words[0]}: no answer within {seconds:.0f} s; see: kubectl cluster-info"
            ) from None


def _status(found: Mapping[str, Any]) -> Status:
    status = found.get("status") or {}
    deployed, job = status.get("jobDeploymentStatus") or "", status.get("jobStatus") or ""
    # Ray puts the end of the log behind the message; whoever wants it asks for the log.
    message = (status.get("message") or "").partition(", last available logs")[0]
    reason = status.get("reason") or ""
    if deployed == "Complete":
        return Status(_FINISHED.get(job, "failed"), message)
    state = _DEPLOYED.get(deployed, "running")
    if state == "running" and job in {"", "PENDING"}:
        state = "pending"
    said = message or reason
    return Status(
        state, said or (f"RayJob is {deployed.lower()}" if deployed else "the operator has not seen it yet")
    )


def _not_yet(words: str) -> bool:
    """Whether there is no log because nothing has run yet."""
    return any(
        said in words
        for said in ("NotFound", "not found", "waiting to start", "ContainerCreating", "timed out")
    )


def _refusal(asked: subprocess.CompletedProcess[str]) -> str:
    lines = (asked.stderr or asked.stdout).strip().splitlines() or [f"exit code {asked.returncode}"]
    return f"kubectl: {lines[-1].removeprefix('error: ').removeprefix('Error from server ')}"
