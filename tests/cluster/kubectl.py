"""``kubectl`` and the operator behind it: keeps what is applied in ``$KUBE`` and runs its entrypoint here.

Exit codes and messages are kubectl's.  What it is given it runs for real: with the files of the ConfigMap and
the variables of the head, though in no pod.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

KUBE = Path(os.environ["KUBE"])
JOB_FOLDER = "/etc/recur/job"
# What ``ray job submit`` does with its words, as Ray has it, before a shell on the head reads them.
RAY = "import subprocess, sys; sys.stdout.write(subprocess.list2cmdline(sys.argv[1:]))"


def apply(documents: list[dict[str, Any]]) -> None:
    config, job = documents
    name = job["metadata"]["name"]
    folder = KUBE / name
    (KUBE / "configmaps").mkdir(exist_ok=True)
    (KUBE / "configmaps" / name).write_text(json.dumps(config))
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    items = head["volumes"][0]["configMap"]["items"]
    for item in items:
        path = folder / "files" / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config["data"][item["key"]].replace(JOB_FOLDER, str(folder / "files")))
    (folder / "job.json").write_text(json.dumps(job))
    env = {each["name"]: each["value"] for each in head["containers"][0]["env"] if "value" in each}
    entrypoint = submitted(job["spec"]["entrypoint"]).replace(JOB_FOLDER, str(folder / "files"))
    script = 'sh -c "$1" >"$2/log" 2>&1; echo $? >"$2/exit.new"; mv "$2/exit.new" "$2/exit"'
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"trap : TERM; {script}", "sh", f"exec {entrypoint}", str(folder)],
        env=os.environ | env,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (folder / "pid").write_text(str(process.pid))
    print(f"configmap/{name} created\nrayjob.ray.io/{name} created")


def submitted(entrypoint: str) -> str:
    """What comes to the head: the operator pastes it into a line of bash that has Ray submit it."""
    line = f"{sys.executable} -c {shlex.quote(RAY)} {entrypoint}"
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=True)
    return done.stdout


def status(folder: Path) -> dict[str, Any]:
    if (folder / "suspended").exists():
        return {"jobDeploymentStatus": "Suspended"}
    if not (folder / "exit").exists():
        return {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
    code = int((folder / "exit").read_text())
    if code == 0:
        return {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}
    message = f"Job entrypoint command failed with exit code {code}, last available logs: …"
    return {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": message}


def suspend(folder: Path) -> None:
    os.killpg(int((folder / "pid").read_text()), signal.SIGTERM)
    while not (folder / "exit").exists():
        time.sleep(0.05)
    (folder / "suspended").touch()


def delete(words: list[str]) -> None:
    """``KIND NAME``, or ``KIND/NAME`` as often as one likes."""
    objects = [word.split("/") for word in words] if "/" in words[0] else [words]
    for kind, name in objects:
        place = {"rayjob": KUBE, "configmap": KUBE / "configmaps"}[kind] / name
        subprocess.run(["/bin/rm", "-rf", str(place)], check=True)


def main(words: list[str]) -> int:
    words = [word for word in words if not word.startswith(("--namespace", "--ignore", "--output"))]
    if "--context=elsewhere" in words:
        print('error: context "elsewhere" does not exist', file=sys.stderr)
        return 1
    if words[0] == "apply":
        apply(list(yaml.safe_load_all(sys.stdin)))
        return 0
    if words[0] == "delete":
        delete([word for word in words[1:] if not word.startswith("--")])
        return 0
    folder = KUBE / words[1 if words[0] == "logs" else 2].removeprefix("job/")
    if words[0] == "get" and not folder.exists():
        return 0
    if not folder.exists():
        print(f'Error from server (NotFound): jobs.batch "{folder.name}" not found', file=sys.stderr)
        return 1
    match words[0]:
        case "get":
            print(json.dumps(json.loads((folder / "job.json").read_text()) | {"status": status(folder)}))
        case "logs":
            print((folder / "log").read_text() if (folder / "log").exists() else "", end="")
        case "patch":
            suspend(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
