"""A schedule on Kubernetes: as it was, as the operator takes it, and due when it should be."""

from __future__ import annotations

import copy
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.backends.rayjob import object_name
from cluster.calendar import Calendar
from cluster.clusterfile import parse_cluster
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster, Pods
from cluster.rendering.kubernetes import Place, cron_job, kubernetes_cron, ray_cron_job
from cluster.rendering.scheduled import Rendered, Scheduled
from tests.cluster.test_kuberay import CASES, crd

GOLDEN = Path(__file__).with_name("golden")
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PLACE = Place("registry/recur:0.1", "tuning", Pods(cpus=8, memory="16Gi"))


def scheduled(
    cron: str = "30 2 * * mon-fri", storage: str = "s3://bucket/sweeps?region=eu", *, paused: bool = False
) -> Scheduled:
    return Scheduled("nightly", Calendar.parse(cron, "Europe/Berlin"), storage, paused=paused)


def kuberay(raw: dict[str, Any]) -> KubeRayCluster:
    found = parse_cluster(raw, source="cluster.yaml")
    assert isinstance(found, KubeRayCluster)
    return found


def on_ray(case: str, **given: Any) -> Rendered:
    raw, storage = CASES[case]
    return ray_cron_job(scheduled(storage=storage, **given), kuberay(raw), NOW)


def documents(rendered: Rendered) -> list[Any]:
    (text,) = rendered.files.values()
    return list(yaml.safe_load_all(text))


RENDERED: dict[str, Callable[[], Rendered]] = {
    "cronjob": lambda: cron_job(scheduled(), PLACE, NOW),
    "raycronjob-small": lambda: on_ray("small"),
    "raycronjob-large": lambda: on_ray("large", paused=True),
}


@pytest.mark.parametrize("case", RENDERED)
def test_the_manifest_is_as_it_was(case: str) -> None:
    ((file, text),) = RENDERED[case]().files.items()
    assert file == "recurring-nightly.yaml"
    golden = GOLDEN / f"{case}.yaml"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_ray_cron_job_is_one_that_the_operator_takes(case: str) -> None:
    config, job = documents(on_ray(case))
    jsonschema.validate(job, crd("raycronjobs"))
    assert len(job["metadata"]["name"]) <= 36
    assert job["spec"]["schedule"] == "30 2 * * 1-5"
    assert job["spec"]["timeZone"] == "Europe/Berlin"
    (key,) = config["data"]
    volume = job["spec"]["jobTemplate"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["volumes"][0]
    assert volume["configMap"] == {
        "name": config["metadata"]["name"],
        "items": [{"key": key, "path": "run.sh"}],
    }
    assert config["data"][key].splitlines()[-1] == (
        f"exec recur schedule run nightly --scheduled --storage {CASES[case][1]} --address auto"
    )


BREAK: dict[str, Callable[[Any], Any]] = {
    "unknown field": lambda job: job["spec"].update(concurrencyPolicy="Forbid"),
    "unknown field of the job": lambda job: job["spec"]["jobTemplate"].update(entryPoint="x"),
    "wrong type": lambda job: job["spec"].update(suspend="no"),
    "no schedule": lambda job: job["spec"].pop("schedule"),
}


@pytest.mark.parametrize("wrong", BREAK)
def test_one_that_the_operator_would_not_take_is_found(wrong: str) -> None:
    broken = copy.deepcopy(documents(on_ray("small"))[1])
    BREAK[wrong](broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, crd("raycronjobs"))


def test_a_cron_job_has_a_pod_that_kubernetes_takes() -> None:
    (job,) = documents(cron_job(scheduled(), PLACE, NOW))
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    pods = crd("rayjobs")["properties"]["spec"]["properties"]["submitterPodTemplate"]
    jsonschema.validate({**template, "metadata": {}}, pods)
    assert job["spec"].keys() == {
        "schedule",
        "timeZone",
        "suspend",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "jobTemplate",
    }


def test_a_cron_job_starts_late_only_where_the_job_catches_up() -> None:
    for catches_up, seconds in ((True, 3600), (False, 300)):
        given = Scheduled("a", Calendar.parse("@daily", "UTC"), "s3://b", catches_up=catches_up)
        (job,) = documents(cron_job(given, PLACE, NOW))
        assert job["spec"]["startingDeadlineSeconds"] == seconds


def test_a_paused_schedule_is_suspended() -> None:
    for paused in (True, False):
        job = documents(on_ray("small", paused=paused))[1]
        (plain,) = documents(cron_job(scheduled(paused=paused), PLACE, NOW))
        assert job["spec"]["suspend"] is plain["spec"]["suspend"] is paused


@pytest.mark.parametrize(
    ("cron", "fields"),
    [
        ("@weekly", "0 0 * * 0"),
        ("0 2 * * 7", "0 2 * * 0"),
        ("0 2 * * 5-7", "0 2 * * 0,5-6"),
        ("0 2 * * 0-7", "0 2 * * *"),
        ("*/15 9-17/2 1,15 jan-mar *", "*/15 9,11,13,15,17 1,15 1-3 *"),
        ("0 2 13 * 5", "0 2 13 * 5"),
        ("0 2 1-31 * 5", "0 2 * * *"),
        ("0 2 */2 * *", "0 2 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * *"),
    ],
)
def test_cron_as_kubernetes_reads_it(cron: str, fields: str) -> None:
    assert kubernetes_cron(scheduled(cron)) == fields


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 2 L * *", "cron: '0 2 L * *' has L, LW or #, which Kubernetes does not know; write plain days"),
        ("0 2 * * 1#2", "cron: '0 2 * * 1#2' has L, LW or #, which Kubernetes does not know"),
        ("0 2 */2 * 1", "cron: '0 2 */2 * 1' wants the day of the month and that of the week to fit, and"),
    ],
)
def test_what_kubernetes_has_no_words_for_is_refused(cron: str, said: str) -> None:
    with pytest.raises(ClusterError) as caught:
        kubernetes_cron(scheduled(cron))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("storage", ["/srv/sweeps", "/mnt/sweeps2"])
def test_storage_that_no_pod_sees_is_refused(storage: str) -> None:
    with pytest.raises(
        ClusterError, match=rf"^storage {storage} is a folder of this machine's, which no pod"
    ):
        cron_job(scheduled(storage=storage), PLACE, NOW)
    with pytest.raises(
        ClusterError, match=rf"^storage {storage} is in no volume of the pods and would go with"
    ):
        ray_cron_job(scheduled(storage=storage), kuberay(CASES["large"][0]), NOW)


@pytest.mark.parametrize("name", ["nightly", "Nightly_2", "a..b", "x" * 100])
def test_a_name_is_one_that_kubernetes_takes_and_no_sweeps(name: str) -> None:
    given = Scheduled(name, Calendar.parse("@daily", "UTC"), "s3://b")
    (job,) = documents(cron_job(given, PLACE, NOW))
    found = job["metadata"]["name"]
    assert len(found) <= 36
    assert found == found.lower().strip("-.")
    assert found.startswith("recurring-")
    assert not object_name(name).startswith("recurring-")


def test_what_whoever_applies_it_should_know_is_noted() -> None:
    notes = " ".join(
        (*cron_job(scheduled("30 2 * * *", paused=True), PLACE, NOW).notes, *on_ray("small").notes)
    )
    for said in (
        "is taken from a secret recurring-nightly",
        "render it again after recur schedule resume nightly",
        "on the night when clocks go on",
        "RayCronJob is behind a feature gate",
    ):
        assert said in notes


def test_the_files_come_before_what_reads_them() -> None:
    assert [each["kind"] for each in documents(on_ray("small"))] == ["ConfigMap", "RayCronJob"]
