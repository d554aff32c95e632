"""Which modules go where a job with a function of the user's goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.errors import JobError
from jobs.jobfile import parse_job
from jobs.spec import Job
from jobs.usercode import modules_of

JOB = """
name: own
data: {path: shards, time: t, target: y}
window: {horizon: 1}
"""


def job(build: str | None, folder: Path) -> Job:
    model = f"model: {{build: '{build}'}}\n" if build else ""
    return parse_job(JOB + model, source="job.yaml", folder=folder)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_job_without_a_function_takes_none(tmp_path: Path) -> None:
    write(tmp_path, net="x = 1")
    assert modules_of(job(None, tmp_path)) == {}


def test_a_module_takes_along_what_it_imports_from_its_folder_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, net="import os, numpy\nimport parts.cells\nfrom helpers import x", helpers="import far")
    write(
        tmp_path, far="", parts__in____init__="", parts__in__cells="from . import base\nfrom .base import y"
    )
    write(tmp_path, parts__in__base="", parts__in__unused="", unused="", os_like="")
    found = modules_of(job("net:build", tmp_path))
    expected = ["far.py", "helpers.py", "net.py", "parts/__init__.py", "parts/base.py", "parts/cells.py"]
    assert list(found) == expected
    assert found["helpers.py"] == "import far"


@pytest.mark.parametrize("build", ["pack.deep.net:build", "pack/deep/net.py:build", "pack/deep/net:build"])
def test_a_module_in_a_package_takes_the_packages_along(tmp_path: Path, build: str) -> None:
    write(
        tmp_path,
        pack__in____init__="",
        pack__in__deep__in____init__="",
        pack__in__deep__in__net="from ..up import z",
    )
    write(tmp_path, pack__in__up="")
    expected = ["pack/__init__.py", "pack/deep/__init__.py", "pack/deep/net.py", "pack/up.py"]
    assert list(modules_of(job(build, tmp_path))) == expected


def test_modules_that_import_each_other_or_hold_no_python_are_taken(tmp_path: Path) -> None:
    write(tmp_path, net="import other", other="import net\nthis is no python")
    assert list(modules_of(job("net:build", tmp_path))) == ["net.py", "other.py"]


def test_an_installed_module_stays(tmp_path: Path) -> None:
    assert modules_of(job("keras.applications:VGG16", tmp_path)) == {}


def test_a_module_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path, net="")
    with pytest.raises(JobError, match=r"net.py lies outside of .*; keep it in the job's folder"):
        modules_of(job("../net.py:build", tmp_path / "in"))


def test_what_is_no_text_or_too_much_is_refused(tmp_path: Path) -> None:
    write(tmp_path, net="x = '" + "x" * (4 * 2**20) + "'")
    with pytest.raises(JobError, match=r"are more than 4 MB; install them"):
        modules_of(job("net:build", tmp_path))
    (tmp_path / "net.py").write_bytes(b"\xff\xfe")
    with pytest.raises(JobError, match=r"net.py cannot be read: it is not UTF-8 text"):
        modules_of(job("net:build", tmp_path))
