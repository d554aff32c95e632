"""The script that Slurm is handed, compared whole, and read by a real shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.backends import Submission, backend_for
from cluster.clusterfile import parse_cluster

GOLDEN = Path(__file__).with_name("golden")
SMALL: dict[str, Any] = {"backend": "slurm", "python": "/opt/recur/bin/python"}
LARGE: dict[str, Any] = SMALL | {
    "nodes": 4,
    "cpus": 16,
    "gpus": 2,
    "gpu_type": "a100",
    "memory": "64G",
    "time": "2-00:00:00",
    "partition": "gpu",
    "account": "forecasting",
    "qos": "long",
    "constraint": "ib",
    "reservation": "nights",
    "setup": ["module load python", 'export NAME="a b"'],
    "folder": "/shared/of us/100%",
    "notice": 300,
    "requeue": False,
    "options": ["--mail-type=FAIL"],
    "env": {"TZ": "UTC", "QUOTED": "it's $HOME `x`"},
    "secrets": {"AWS_SECRET_ACCESS_KEY": {"file": "/run/secrets/bucket"}},
}
CASES = {"small": SMALL, "large": LARGE}


def rendered(case: str) -> str:
    cluster = parse_cluster(CASES[case], source="cluster.yaml")
    return backend_for(cluster).plan(Submission("etth1-24h", "name: etth1-24h\n", "/shared/sweeps")).document


@pytest.mark.parametrize("case", CASES)
def test_the_script_is_as_it_was(case: str) -> None:
    golden = GOLDEN / f"slurm-{case}.sh"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(rendered(case))
    assert rendered(case) == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_script_is_one_that_a_shell_takes(case: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-n"], input=rendered(case), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_word_of_a_value_is_the_shells(tmp_path: Path) -> None:
    exports = [line for line in rendered("large").splitlines() if line.startswith("export QUOTED")]
    script = "\n".join([*exports, 'printf %s "$QUOTED"'])
    done = subprocess.run(
        ["/bin/bash", "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True
    )
    assert done.stdout == "it's $HOME `x`"


def test_no_secret_stands_in_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    assert "f" * 64 not in rendered("large")
    assert "hunter2" not in rendered("large")
