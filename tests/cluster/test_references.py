"""Secrets by reference: taken up where they are used, shown nowhere."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
import pytest

from cluster.clusterfile import parse_cluster
from cluster.clusters import RayJobsCluster
from cluster.errors import ClusterError
from cluster.references import VARIABLE, redacted, take_up, withheld_output


def travelling(places: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in places:
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv(VARIABLE, json.dumps(places))


def test_a_cluster_file_sends_places_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "hunter2hunter2")
    secrets = {"PASSWORD": {"env": "MINE"}, "KEY": {"file": "/run/key"}}
    cluster = parse_cluster({"backend": "local", "env": {"TZ": "UTC"}, "secrets": secrets}, source="it")
    sent = cluster.environment()
    assert sent["TZ"] == "UTC"
    assert json.loads(sent[VARIABLE]) == secrets
    assert "hunter2" not in repr(sent)


def test_without_secrets_nothing_is_sent() -> None:
    assert parse_cluster({"backend": "local"}, source="it").environment() == {}


def test_secrets_are_taken_up_and_withheld_from_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("  from-a-file\n")
    monkeypatch.setenv("MINE", "from-a-variable")
    travelling({"PASSWORD": {"env": "MINE"}, "KEY": {"file": str(tmp_path / "key")}}, monkeypatch)
    take_up()
    assert (os.environ["PASSWORD"], os.environ["KEY"]) == ("from-a-variable", "from-a-file")
    assert redacted("at from-a-file and from-a-variable, he said") == "at *** and ***, he said"


def test_well_known_secrets_are_withheld_and_short_words_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "test")
    assert redacted(f"a test of {'f' * 64}") == "a test of ***"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"env": "NOT_SET_ANYWHERE"}, "the environment variable NOT_SET_ANYWHERE is not set here"),
        ({"file": "/not/there"}, "/not/there holds no readable secret here"),
        ({"file": "/dev/null"}, "/dev/null holds no readable secret here"),
    ],
)
def test_one_that_is_not_where_it_should_be_is_named(
    place: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    travelling({"KEY": place}, monkeypatch)
    with pytest.raises(ClusterError) as caught:
        take_up()
    assert str(caught.value) == f"secrets.KEY: {said}"


@pytest.mark.parametrize("place", ["token_env", "token_file"])
def test_a_token_is_withheld_wherever_it_was_found(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = f"{place}-{os.getpid()}"
    monkeypatch.setenv("MY_HEAD", token)
    (tmp_path / "token").write_text(token)
    where = {"token_env": "MY_HEAD", "token_file": str(tmp_path / "token")}[place]
    cluster = parse_cluster({"backend": "ray_jobs", place: where}, source="it")
    assert isinstance(cluster, RayJobsCluster)
    assert cluster.token() == token
    monkeypatch.delenv("MY_HEAD")
    assert redacted(f"refused {token}") == "refused ***"


def test_a_token_that_is_in_rays_file_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("of-this-job\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert redacted("it is of-this-job") == "it is ***"


def test_nothing_that_is_printed_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by click nor by anything else, to neither stream; afterwards it is as before."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hunter2hunter2")
    before = sys.stdout
    with withheld_output():
        click.echo("a hunter2hunter2")
        print("b hunter2hunter2", file=sys.stderr)  # noqa: T201 - as others do
        sys.stdout.writelines(["c hunter2", "hunter2\n"])
    assert sys.stdout is before
    assert capsys.readouterr() == ("a ***\nc ***\n", "b ***\n")
