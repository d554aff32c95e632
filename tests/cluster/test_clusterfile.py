"""Cluster files: what they hold, where a token comes from, and the one sentence for each that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.clusterfile import Cluster, load_cluster
from cluster.clusters import LocalCluster, RayJobsCluster
from cluster.errors import ClusterError

RAY = "backend: ray_jobs\n"
SLURM = "backend: slurm\n"

WRONG = {
    "": "a cluster file is a mapping of fields such as backend, found NoneType",
    "- local": "a cluster file is a mapping of fields such as backend, found list",
    "backend: [": "not valid YAML: expected the node content, but found '<stream end>' (line 1, column 11)",
    "storage: s": "backend: is required and not given; it is one of local, ray_jobs, slurm, kuberay",
    "backend: yarn": "backend: no such backend 'yarn'; it is one of local, ray_jobs, slurm, kuberay",
    "backend: [local]": "backend: no such backend ['local']; it is one of local, ray_jobs, slurm, kuberay",
    "backend: local\nadress: x": "adress: unknown key; did you mean resources?",
    "backend: local\nqqq: x": "qqq: unknown key; valid keys are storage, env, secrets, resources, backend",
    "backend: local\nstorrage: x": "storrage: unknown key; did you mean storage?",
    RAY + "adress: x": "adress: unknown key; did you mean address?",
    RAY + "token: hunter2": "token: unknown key; did you mean token_env?",
    RAY + "storage: 3": "storage: input should be a valid string",
    RAY + "env: {A: 1}": "env.A: input should be a valid string",
    RAY + "env: {A-B: x}": "env: 'A-B' cannot be the name of an environment variable",
    RAY + "env: {RAY_AUTH_TOKEN: x}": (
        "env: a token never stands in a cluster file; name its variable with token_env"
    ),
    **{
        RAY + f"env: {{{name}: {value}}}": (
            f"env: the value of {name} would stand in scripts and manifests for all to read; name the place "
            f"where it is found instead: secrets: {{{name}: {{file: PATH}}}}"
        )
        for name, value in {
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "PGPASSWORD": "hunter2",
            "hf_token": "hunter2",
            "WANDB_API_KEY": "hunter2",
            "SSH_PRIVATE": "hunter2",
            "MLFLOW_URI": "https://me:hunter2@host/x",
            "BROKER": "redis://:hunter2@host",
        }.items()
    },
    RAY + "address: head:8265": "address: 'head:8265' is not an address such as http://127.0.0.1:8265",
    RAY + "address: ray://head:1": "address: 'ray://head:1' is not an address such as http://127.0.0.1:8265",
    RAY
    + "address: http://head:http": "address: 'http://head:http' is not an address such as http://127.0.0.1:8265",
    RAY + "address: http://me:secret@head": (
        "address: no user or password stands in an address; name the token's variable with token_env"
    ),
    RAY + "token_env: A\ntoken_file: b": "give token_env or token_file, not both",
    RAY + "secrets: {A: hunter2}": "secrets.A: input should be a valid dictionary or instance of Reference",
    RAY + "secrets: {A: {env: B, file: c}}": (
        "secrets.A: is {env: NAME}, {file: PATH} or, on Kubernetes, {secret: NAME, key: KEY}"
    ),
    RAY + "secrets: {A: {secret: b, key: c}}": ("secrets.A: {secret, key} is for kuberay; give env or file"),
    RAY + "secrets: {A: {enf: B}}": "secrets.A.enf: unknown key; did you mean env?",
    RAY + "secrets: {A: {env: B}}\nenv: {A: x}": "A stands in both env and secrets; leave it out of env",
    RAY + "secrets: {RAY_AUTH_TOKEN: {env: B}}": (
        "secrets: a token never stands in a cluster file; name its variable with token_env"
    ),
    RAY + "resources: {cpus: 2}": "resources.cpus: unknown key; did you mean cpu?",
    RAY + "resources: {cpu: 0}": "resources.cpu: input should be greater than or equal to 1",
    SLURM + "nodes: 0": "nodes: input should be greater than or equal to 1",
    SLURM + "partition: main; rm": "partition: 'main; rm' is no name that sbatch takes",
    SLURM + "memory: 16 GB": "memory: '16 GB' is no amount of memory such as 16G",
    SLURM + "time: soon": "time: 'soon' is no time limit such as 12:00:00 or 2-00:00:00",
    SLURM + "folder: here": "folder: 'here' is no absolute path, which is the same on every node",
    SLURM + "options: [mail]": "options: 'mail' is no option of sbatch such as --mail-type=FAIL",
    SLURM + "options: ['--x=$(rm)']": "options: '--x=$(rm)' is no option of sbatch such as --mail-type=FAIL",
    SLURM + 'setup: ["a\\nb"]': "setup: each of its items is one line of shell",
    SLURM + "notice: 1": "notice: input should be greater than or equal to 10",
    **{
        SLURM + f"notice: {notice}\ntime: '{time}'": (
            f"notice: {notice} s before a limit of {limit} s (time: {time}) the sweep would be told to "
            "leave as it begins, again and again; give a longer time or a shorter notice"
        )
        for notice, time, limit in (
            (120, "1", 60),
            (60, "1", 60),
            (30, "0:30", 30),
            (3600, "0:59:59", 3599),
            (3600, "0-1", 3600),
            (3600, "0-0:30", 1800),
            (3600, "0-0:00:59", 59),
        )
    },
    "backend: local\n# " + "x" * 2**20: "is larger than 1 MB, which no cluster file is",
}


@pytest.mark.parametrize("text", WRONG, ids=[text[:60] for text in WRONG])
def test_a_bad_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    with pytest.raises(ClusterError) as caught:
        load(path, text)
    assert str(caught.value) == f"{path}: {WRONG[text]}"


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    with pytest.raises(ClusterError) as missing:
        load_cluster(path)
    assert str(missing.value) == f"{path}: the cluster file cannot be read: No such file or directory"
    path.write_bytes(b"\xff")
    with pytest.raises(ClusterError) as binary:
        load_cluster(path)
    assert str(binary.value) == f"{path}: the cluster file cannot be read: it is not UTF-8 text"


def test_a_good_file_and_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    assert load(path, "backend: local") == LocalCluster(backend="local", storage=None, env={})
    assert load(path, RAY) == RayJobsCluster(backend="ray_jobs", address="http://127.0.0.1:8265")
    full = "address: https://head/\nstorage: s3://bucket/sweeps\nenv: {TZ: UTC}\ntoken_file: secret/token\n"
    assert load(path, RAY + full) == RayJobsCluster(
        backend="ray_jobs",
        address="https://head",
        storage="s3://bucket/sweeps",
        env={"TZ": "UTC"},
        token_file=str(tmp_path / "secret" / "token"),
    )


def test_variables_that_hold_no_secret_may_be_given(tmp_path: Path) -> None:
    env = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "GOOGLE_APPLICATION_CREDENTIALS": "/run/secrets/google.json",
        "DB_PASSWORD_FILE": "/run/secrets/db",
        "TOKENIZERS_PARALLELISM": "false",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }
    assert load(tmp_path / "cluster.yaml", f"{RAY}env: {env!r}").env == env


@pytest.mark.parametrize("time", ["3", "2:01", "0:02:01", "0-1", "1-00:00:00", "0"])
def test_a_limit_that_leaves_time_to_run(tmp_path: Path, time: str) -> None:
    """Nought is no limit."""
    assert load(tmp_path / "cluster.yaml", SLURM + f"notice: 120\ntime: '{time}'")


def test_a_token_comes_from_where_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said: from RAY_AUTH_TOKEN, which need not be set."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "usual")
    monkeypatch.setenv("OTHER", "other")
    (tmp_path / "token").write_text("filed\n")
    path = tmp_path / "cluster.yaml"
    assert token(load(path, RAY)) == "usual"
    assert token(load(path, RAY + "token_env: OTHER")) == "other"
    assert token(load(path, RAY + "token_file: token")) == "filed"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    assert token(load(path, RAY)) is None


def test_a_token_that_is_not_where_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER", raising=False)
    path = tmp_path / "cluster.yaml"
    with pytest.raises(ClusterError) as unset:
        token(load(path, RAY + "token_env: OTHER"))
    assert str(unset.value) == "token_env: the environment variable OTHER is not set; put the token there"
    with pytest.raises(ClusterError) as missing:
        token(load(path, RAY + "token_file: token"))
    assert str(missing.value) == f"token_file: {tmp_path / 'token'} holds no readable token; put it there"


def load(path: Path, text: str) -> Cluster:
    path.write_text(text)
    return load_cluster(path)


def token(cluster: Cluster) -> str | None:
    assert isinstance(cluster, RayJobsCluster)
    return cluster.token()
