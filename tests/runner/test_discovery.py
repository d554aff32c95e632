"""A sweep that is gone on with, whose function has been edited meanwhile, or whose data have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.jobfile import dump_job, load_job
from jobs.panel import Panel
from jobs.spec import Job
from jobs.usercode import code_of
from runner.data import fingerprint_of, open_job_panel
from runner.discovery import check_code, discovered
from runner.launch import Standing, read_spec
from runner.results import Results
from runner.run import carry_out
from runner.sweep import Place
from tests.runner.curves import make_job
from tests.runner.events import end, finish, leg, start, trained, trial, write
from tests.runner.scripts import write as write_script
from tests.runner.test_publish import panel

MODULE = """
import keras
from helpers import width


def build_model(hp):
    model = keras.Sequential()
    model.add(keras.layers.SimpleRNN(hp.Int("units", 4, width)))
    model.add(keras.layers.Dense(1))
    model.compile("adam", hp.Choice("loss", ["mse"]) and LOSS)
    return model


LOSS = "mse"
"""


@pytest.fixture
def begun(tmp_path: Path, panel_folder: Path) -> tuple[Path, Panel, SweepFolder]:
    """A job file, its panel, and the sweep that was begun from it."""
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "helpers.py").write_text("width = 8\n")
    path = write_script(tmp_path / "job", panel_folder, MODULE)
    job = load_job(path)
    opened = open_job_panel(job)
    folder = Storage.open(str(tmp_path / "storage")).sweep("built")
    job = discovered(job, opened, folder, fresh=False)
    folder.write(folder.SPEC, dump_job(job).encode())
    write(folder, 1, start() | {"code": code_of(job)})
    return path, opened, folder


def gone_on_with(begun: tuple[Path, Panel, SweepFolder]) -> Job:
    path, opened, folder = begun
    return discovered(load_job(path), opened, folder, fresh=False)


def test_a_function_that_is_as_it_was_is_not_asked_again(
    begun: tuple[Path, Panel, SweepFolder],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("runner.discovery.asked_of_worker", lambda *_: pytest.fail("it is known"))

    assert gone_on_with(begun).model == read_spec(begun[2]).model
    check_code(read_spec(begun[2]), begun[1], begun[2])

    assert capsys.readouterr().err == ""


def test_an_edited_function_that_asks_the_same_is_told(
    begun: tuple[Path, Panel, SweepFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    (begun[0].parent / "helpers.py").write_text("width = 4 + 4\n")

    assert gone_on_with(begun).model == read_spec(begun[2]).model

    assert capsys.readouterr().err == (
        "Note: model.build: the code of article:build_model has changed since sweep built was run last; its "
        "trials so far are of the old code, those to come of the new\n"
    )


def test_one_that_asks_something_else_is_refused(begun: tuple[Path, Panel, SweepFolder]) -> None:
    """Whether the job file is given again, or the sweep is resumed."""
    path, opened, folder = begun
    (path.parent / "helpers.py").write_text("width = 9\n")
    module = MODULE.replace("SimpleRNN(", 'SimpleRNN(activation=hp.Choice("activation", ["tanh"]), units=')
    (path.parent / "article.py").write_text(module.replace('LOSS = "mse"', 'LOSS = "mae"'))

    with pytest.raises(JobError) as error:
        gone_on_with(begun)
    with pytest.raises(JobError) as again:
        check_code(read_spec(folder), opened, folder)

    assert str(error.value) == str(again.value)
    assert str(error.value).endswith(
        "was run last, and it differs in units, activation, the loss that it compiles with; choose another "
        "--name, or replace that sweep with --fresh"
    )


def test_one_in_another_folder_is_asked_where_the_journal_knows_no_code(
    begun: tuple[Path, Panel, SweepFolder], tmp_path: Path
) -> None:
    path, opened, folder = begun
    write(folder, 1, start())
    (path.parent / "helpers.py").write_text("width = 9\n")
    path.parent.rename(tmp_path / "elsewhere")

    with pytest.raises(JobError, match="it differs in units;"):
        gone_on_with((tmp_path / "elsewhere" / "job.yaml", opened, folder))


@pytest.mark.parametrize("same", [True, False])
def test_data_that_have_changed_are_told(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, same: bool
) -> None:
    before = fingerprint_of(panel()) if same else "0" * 64
    past = [start() | {"fingerprint": before}, trial(0), leg(0), *trained(0, 0.5)]
    monkeypatch.setattr(
        "runner.sweep.run_sweep", lambda *_, **__: Results([*past, end(0), finish("stopped")])
    )
    standing = Standing(storage.sweep("a"), exists=False, results=Results(past))

    carry_out(make_job(), standing, panel(), Place(), as_json=True)

    told = (
        "Note: data: the data have changed since sweep virtual was run last; the scores that it has are of "
        "other data than those to come (--fresh begins again)\n"
    )
    assert (told in capsys.readouterr().err) is not same
