"""Whoever can write to a storage does not choose which functions others run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from runner.cli import exit_code
from tests.runner.command import Recur
from tests.runner.scripts import write

pytestmark = pytest.mark.slow

NETWORK = """
import keras


def build(hp):
    model = keras.Sequential([keras.layers.SimpleRNN(hp.Int("units", 2, 6)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, panel_folder: Path) -> Recur:
    """A finished sweep of a user's own function."""
    recur = Recur(tmp_path_factory.mktemp("built"))
    job = write(
        recur.folder, panel_folder, NETWORK, build="nets:build", scheduler="none, trials: 1", epochs=1
    )
    recur("run", job, "--workers=1")
    return recur


def planted(built: Recur, **model: str) -> Path:
    """The sweep's function moved to another's folder, on storage; the file that running it would leave."""
    owned, folder = built.folder / "owned", built.folder / "planted"
    folder.mkdir(exist_ok=True)
    (folder / "nets.py").write_text(f"open({str(owned)!r}, 'w')\n{NETWORK}")
    (folder / "others.py").write_text(f"open({str(owned)!r}, 'w')\n{NETWORK}")
    spec = built.storage / "built" / "spec.yaml"
    raw = yaml.safe_load(spec.read_text())
    raw["model"] |= {"folder": str(folder), **model}
    spec.write_text(yaml.safe_dump(raw))
    return owned


def test_a_function_is_run_from_its_users_folder_whatever_storage_says(built: Recur) -> None:
    before = built.json("status", "built")["trials"]["done"]
    owned = planted(built)

    assert built.json("extend", "built", "--trials", "+1", "--workers=1")["trials"]["done"] == before + 1

    assert not owned.exists()
    spec = yaml.safe_load((built.storage / "built" / "spec.yaml").read_text())
    assert spec["model"]["folder"] == str(built.folder)


@pytest.mark.parametrize(
    "command",
    [["resume"], ["resume", "--cluster", "{cluster}"], ["retry"], ["extend", "--trials", "+1"]],
)
def test_another_function_than_its_users_is_not_run(
    built: Recur, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    owned, cluster = planted(built, build="others:build"), built.folder / "cluster.yaml"
    cluster.write_text("backend: local\n")
    command = [word.format(cluster=cluster) for word in command]

    assert exit_code([command[0], str(built.storage / "built"), *command[1:]]) == 2

    refused = capsys.readouterr().err
    assert "model.build: others:build of sweep built is code that you have not run" in refused
    assert "which knows nets:build" in refused
    assert not owned.exists()
    planted(built, build="nets:build")


def test_a_function_that_another_user_gave_is_run_from_the_job_file_alone(built: Recur) -> None:
    owned = planted(built)
    with pytest.MonkeyPatch.context() as other:
        other.setenv("XDG_STATE_HOME", str(built.folder / "others"))
        refused = built("extend", "built", "--trials", "+1", code=2).stderr
        assert "recur run JOB, or recur submit JOB" in refused
        count = len(built.json("trials", "built"))
        job = built.folder / "job.yaml"
        more = built.json("run", job, "--workers=1", "--set", f"search.trials={count + 1}")
        assert more["trials"]["done"] == count + 1
    assert not owned.exists()
