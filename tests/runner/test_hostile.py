"""What somebody who can write to a storage, or hand over a file, may try: each is refused in its sentence.

A sweep is run for real, once; each case spoils a copy of it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli import exit_code
from runner.journal import encode
from tests.runner.command import JobWriter, Recur


@dataclass(frozen=True)
class Target:
    """A finished sweep, and a file that only code of the attacker's would make."""

    sweep: Path
    owned: Path
    data: Path

    def spoil(self, relative: str, content: bytes | str) -> None:
        path = self.sweep / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, relative: str, change: Callable[[dict[str, object]], object]) -> None:
        document = json.loads((self.sweep / relative).read_text())
        change(document)
        self.spoil(relative, json.dumps(document))

    def append(self, **event: object) -> None:
        """An event at the end of the journal."""
        for path in (self.sweep / "journal").glob("results.json"):
            path.unlink()
        last = max((self.sweep / "journal").glob("*.jsonl*"))
        text = gzip.decompress(last.read_bytes()) if last.suffix == ".gz" else last.read_bytes()
        text += encode(event)
        last.write_bytes(gzip.compress(text) if last.suffix == ".gz" else text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, write_job: JobWriter) -> Path:
    recur = Recur(tmp_path_factory.mktemp("hostile"))
    recur("run", write_job(recur.folder, trials=2, scheduler="none", epochs=1), "--workers=1")
    return recur.storage / "small"


@pytest.fixture
def target(finished: Path, tmp_path: Path, panel_folder: Path) -> Target:
    shutil.copytree(finished, tmp_path / "sweeps" / "small")
    return Target(tmp_path / "sweeps" / "small", tmp_path / "owned", panel_folder)


class Evil:
    def __init__(self, owned: Path) -> None:
        self.owned = owned

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.owned,)


def lambda_model(owned: Path) -> bytes:
    """A Keras archive whose layer is code."""
    layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {
            "name": "l",
            "function": {"class_name": "__lambda__", "config": {"code": f"touch {owned}"}},
        },
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(layer))
    return out.getvalue()


def relisted(target: Target, file: str, content: bytes) -> None:
    """A file of ``best/`` in another's place, and a manifest that says so."""
    target.spoil(f"best/{file}", content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    target.edit("best/manifest.json", lambda found: found["files"].update({file: entry}))  # type: ignore[attr-defined]


TAG = "!!python/object/apply:pathlib.Path.touch ['{owned}']"

CASES: dict[str, tuple[Callable[[Target], object], tuple[str, ...], str]] = {
    "a pickle for a model": (
        lambda t: t.spoil("best/model.keras", pickle.dumps(Evil(t.owned))),
        ("predict",),
        "is not the file that was published",
    ),
    "a pickle for a model, and a manifest that lists it": (
        lambda t: relisted(t, "model.keras", pickle.dumps(Evil(t.owned))),
        ("predict",),
        "model",
    ),
    "a model with code in it": (
        lambda t: relisted(t, "model.keras", lambda_model(t.owned)),
        ("predict",),
        "model",
    ),
    "a manifest that lists a file elsewhere": (
        lambda t: t.edit(
            "best/manifest.json",
            lambda found: found["files"].update({"../../../etc/passwd": {"size": 1, "sha256": "0" * 64}}),  # type: ignore[attr-defined]
        ),
        ("best",),
        "manifest",
    ),
    "a manifest that is none": (lambda t: t.spoil("best/manifest.json", "[]"), ("best",), "manifest"),
    "hyperparameters that were changed": (
        lambda t: t.spoil("best/metrics.json", '{"test": {"mse": 0}}'),
        ("best",),
        "is not the file that was published",
    ),
    "a spec that makes objects": (
        lambda t: t.spoil("spec.yaml", TAG.format(owned=t.owned)),
        ("best",),
        "spec.yaml: not valid YAML",
    ),
    "a spec of aliases of aliases": (
        lambda t: t.spoil(
            "spec.yaml",
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
            ),
        ),
        ("best",),
        "spec.yaml",
    ),
    "a spec without end": (
        lambda t: t.spoil("spec.yaml", b"#" * (17 << 20)),
        ("best",),
        "is larger than 16 MiB",
    ),
    "a spec that is no text": (lambda t: t.spoil("spec.yaml", b"\xff\x00\xfe"), ("best",), "spec.yaml"),
    "a trial whose name leads out": (
        lambda t: t.append(event="trial", trial="../../../../etc/x", number=9, values={}),
        ("trials",),
        "../../../../etc/x",
    ),
    "a trial whose name is a path": (
        lambda t: t.append(event="trial", trial="/etc/x", number=9, values={}),
        ("trials",),
        "/etc/x",
    ),
    "an event that lacks what it is of": (
        lambda t: t.append(event="trial", trial="00009"),
        ("trials", "status", "best"),
        "is no event of Recur's",
    ),
    "an event of another kind of values": (
        lambda t: t.append(event="result", trial="00000", epoch=[], score={}),
        ("trials",),
        "is no event of Recur's",
    ),
    "an owner that is nobody": (
        lambda t: t.spoil("journal/owner.json", '{"host": 3}'),
        ("stop",),
        "does not say who runs the sweep",
    ),
    "a submission record that writes on the terminal": (
        lambda t: submitted(t, by="\x1b]0;owned\x07"),
        ("status",),
        "is no record of a submission",
    ),
    "a submission record that is a list": (
        lambda t: t.spoil("../.submissions/small/submission.json", "[[[]]]"),
        ("status",),
        "is no record of a submission",
    ),
    "a submission to a cluster of the attacker's": (
        lambda t: (submitted(t), t.spoil("journal/owner.json", owner_elsewhere()))[0],
        ("logs",),
        "give its cluster file with --cluster",
    ),
    "a submission without end": (
        lambda t: t.spoil("../.submissions/small/submission.json", b" " * (17 << 20)),
        ("status",),
        "is larger than 16 MiB",
    ),
}


def owner_elsewhere() -> str:
    return json.dumps({"host": "elsewhere", "pid": 1, "started": 1, "time": 0})


def submitted(target: Target, by: str = "somebody") -> None:
    handle = {"backend": "slurm", "name": "small", "storage": "s", "target": "/t", "id": "1; rm -rf /"}
    record = {
        "handle": handle,
        "by": by,
        "time": 1.0,
        "cluster": {"backend": "slurm", "setup": ["touch owned"]},
    }
    target.spoil("../.submissions/small/submission.json", json.dumps(record))


@pytest.mark.parametrize("case", CASES)
def test_what_was_planted_on_storage_is_refused(
    case: str, target: Target, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spoil, commands, said = CASES[case]
    spoil(target)
    for command in commands:
        extra = (
            ["--data", str(target.data), "--out", str(tmp_path / "f.parquet")] if command == "predict" else []
        )
        code = exit_code([command, str(target.sweep), *extra])
        err = capsys.readouterr().err
        assert code in {1, 2}, err
        assert said in err, err
        assert "Traceback" not in err
        assert "\x1b" not in err
    assert not target.owned.exists()
    assert not (tmp_path / "f.parquet").exists()


LINKS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "the lock": ("journal/owner.lock", ("extend", "{sweep}", "--trials", "+1"), "a link to elsewhere"),
    "the journal": ("journal/", ("extend", "{sweep}", "--trials", "+1"), "a link to elsewhere"),
    "the sweep": (
        "../other/",
        ("run", "{job}", "--name", "other", "--storage", "{storage}"),
        "holds files that are no sweep's",
    ),
    "a submission": (
        "../.submissions/other/",
        ("submit", "{job}", "--name", "other", "--storage", "{storage}"),
        "a link to elsewhere",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LINKS)
def test_nothing_is_written_through_a_link(
    case: str, target: Target, tmp_path: Path, write_job: JobWriter
) -> None:
    """It leads to a file or a folder of the victim's, who may write there."""
    relative, words, said = LINKS[case]
    recur, link = Recur(tmp_path), target.sweep / relative
    mine = tmp_path / "mine"
    mine.mkdir()
    if relative.endswith("/"):
        if link.exists():
            shutil.copytree(link, mine, dirs_exist_ok=True)
            shutil.rmtree(link)
    else:
        link.unlink(missing_ok=True)
        mine /= "file"
    (mine / "kept" if mine.is_dir() else mine).write_text("mine")
    link.parent.mkdir(exist_ok=True)
    Path(str(link)).symlink_to(mine)
    before = content(tmp_path / "mine")
    job = write_job(tmp_path, trials=2, scheduler="none", epochs=1)
    named = {"sweep": str(target.sweep), "job": str(job), "storage": str(target.sweep.parent)}
    err = recur(*[word.format(**named) for word in words], code=2).stderr
    assert said in err
    assert "Traceback" not in err
    assert content(tmp_path / "mine") == before


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_links_in_a_submission_are_taken_away_and_not_followed(tmp_path: Path, write_job: JobWriter) -> None:
    recur, mine = Recur(tmp_path), tmp_path / "mine"
    mine.write_text("mine")
    folder = recur.storage / ".submissions" / "small"
    folder.mkdir(parents=True)
    names = ("log.txt", "exit", "exit.new", "stop", "job.yaml")
    for name in names:
        (folder / name).symlink_to(mine)
    recur("submit", write_job(tmp_path, trials=1, scheduler="none", epochs=1))
    assert "small: done" in recur("logs", "small", "--follow").stdout
    assert mine.read_text() == "mine"
    assert not any((folder / name).is_symlink() for name in names)


@pytest.mark.parametrize("text", ["x", "[]", "[" * 50_000, json.dumps({"id": "x"}), b"\xff", "{id}", "{far}"])
def test_a_handle_that_is_none_is_refused_when_its_sweep_is_submitted(
    text: str | bytes, tmp_path: Path, write_job: JobWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweeps" / ".submissions" / "small" / "handle.json"
    path.parent.mkdir(parents=True)
    handle = {"backend": "local", "name": "small", "storage": "s", "target": "/t"}
    whole = {
        "{id}": json.dumps(handle | {"id": "x"}),
        "{far}": json.dumps(handle | {"id": "a " + "9" * 5000 + " b"}),
    }
    path.write_bytes(text if isinstance(text, bytes) else whole.get(text, text).encode())
    code = exit_code(["submit", str(write_job(tmp_path)), "--storage", str(tmp_path / "sweeps")])
    err = capsys.readouterr().err
    assert code == 2, err
    assert "is no record of a submission; take it away" in err or "is no process of a machine" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["logs", "status", "stop"])
def test_a_submission_of_no_process_is_refused_when_it_is_asked_for(
    command: str, target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = {"backend": "local", "name": "small", "storage": "s", "target": str(tmp_path), "id": "x"}
    record = {"handle": handle, "by": "somebody", "time": 1.0}
    target.spoil("../.submissions/small/submission.json", json.dumps(record))
    (tmp_path / "local.yaml").write_text("backend: local\n")
    follow = ["--follow"] if command == "logs" else []
    code = exit_code([command, str(target.sweep), *follow, "--cluster", str(tmp_path / "local.yaml")])
    err = capsys.readouterr().err
    assert code == (0 if command == "status" else 2), err
    assert command == "status" or "'x' is no process of a machine, as Recur writes it" in err
    assert "Traceback" not in err


TYPED: dict[str, tuple[list[str], str]] = {
    "a name that leads out": (["status", ".."], "no sweep '..'"),
    "a path to no sweep": (["status", "../../etc"], "is no sweep's folder"),
    "a name for a run that leads out": (["run", "{job}", "--name", "../up"], "name:"),
    "a name with a line break": (["run", "{job}", "--name", "a\nb"], "name:"),
    "a storage with a password": (
        ["run", "{job}", "--storage", "s3://key:hunter2@bucket"],
        "no key or password stands in a URI",
    ),
    "an address that is none": (["run", "{job}", "--address", "x; touch owned"], "a cluster's address is"),
    "an address with a path": (["run", "{job}", "--address", "host:6379/../x"], "a cluster's address is"),
    "a cluster file that makes objects": (["submit", "{job}", "--cluster", "{tag}"], "not valid YAML"),
    "a cluster file with a line in a line": (
        ["submit", "{job}", "--cluster", "{lines}"],
        "setup: each of its items is one line of shell",
    ),
    "an option that ends the command": (
        ["submit", "{job}", "--cluster", "{option}"],
        "is no option of sbatch such as",
    ),
    "a secret in a cluster file": (
        ["submit", "{job}", "--cluster", "{secret}"],
        "the value of AWS_SECRET_ACCESS_KEY would stand in scripts and manifests for all to read",
    ),
    "a token in a cluster file": (
        ["submit", "{job}", "--cluster", "{token}"],
        "a token never stands in a cluster file",
    ),
    "a job file in the place of the one that was submitted": (
        ["run", "{job}", "--submitted", "0" * 64],
        "it is not the job file that was submitted",
    ),
    "a log of a trial elsewhere": (
        ["logs", "{sweep}", "--trial", "../../../etc/passwd"],
        "has no log of a trial",
    ),
    "a function elsewhere": (
        ["submit", "{job}", "--set", "model={{build: '../../x.py:f'}}", "--cluster", "{ray}"],
        "model.build",
    ),
}


@pytest.mark.parametrize("case", TYPED)
def test_what_is_handed_over_is_refused(
    case: str, target: Target, capsys: pytest.CaptureFixture[str], tmp_path: Path, write_job: JobWriter
) -> None:
    files = {
        "tag": TAG.format(owned=target.owned),
        "lines": 'backend: slurm\nsetup: ["a\\nb"]\nstorage: /s',
        "option": "backend: slurm\nstorage: /s\noptions: ['--wrap=x;touch owned']",
        "token": "backend: ray_jobs\nenv: {RAY_AUTH_TOKEN: x}",
        "secret": "backend: slurm\nstorage: /s\nenv: {AWS_SECRET_ACCESS_KEY: hunter2}",
        "ray": "backend: ray_jobs\nstorage: /not/here",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "x.py").write_text("")
    job = write_job(tmp_path / "in" / "deep")
    named = {name: str(tmp_path / f"{name}.yaml") for name in files} | {
        "job": str(job),
        "sweep": str(target.sweep),
    }
    words, said = TYPED[case]
    code = exit_code([word.format(**named) for word in words])
    err = capsys.readouterr().err
    assert code == 2, err
    assert said in err
    assert "Traceback" not in err
    assert "hunter2" not in err
    assert not target.owned.exists()
