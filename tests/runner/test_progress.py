"""What a person sees while a sweep runs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from jobs.spec import Job
from runner.conductor import Conductor
from runner.progress import LineProgress, LiveProgress
from tests.runner.curves import draw_curves, make_job
from tests.runner.pool import Pool, fresh_conductor


@pytest.fixture
def job() -> Job:
    return make_job(
        model={"units": "{int: {min: 1, max: 99}}"},
        search={"trials": 6, "scheduler": "none"},
        train={"max_epochs": 9},
    )


@pytest.fixture
def conductor(job: Job) -> Conductor:
    """Two trials at work, some epochs in."""
    conductor = fresh_conductor(job)
    pool = Pool(conductor, draw_curves(1, 6, 9, trouble=0.0), 2, np.random.default_rng(0))
    pool.run(steps=6)
    return conductor


def _drawn(progress: LiveProgress, width: int = 120) -> str:
    screen = io.StringIO()
    console = Console(width=width, file=screen)
    console.print(progress._draw())
    return screen.getvalue()


def test_before_anything_has_begun_it_says_so(job: Job) -> None:
    assert "starting" in _drawn(LiveProgress(job))


def test_running_and_best_trials_are_shown(job: Job, conductor: Conductor) -> None:
    progress = LiveProgress(job)
    progress.watch(conductor, "training")
    shown = _drawn(progress)
    best = conductor.results.best()
    assert best is not None
    assert "training" in shown
    assert "0/6 trials" in shown
    assert f"{conductor.results.epochs_trained()} epochs" in shown
    assert shown.count(best.id) == 2, "once among the running, once among the best"
    assert f"{best.score:.4g}" in shown
    assert "Ctrl-C stops and keeps what was found" in shown


def test_after_ctrl_c_it_says_that_it_is_stopping(job: Job, conductor: Conductor) -> None:
    progress = LiveProgress(job)
    progress.watch(conductor, "training")
    conductor.stop()
    assert "stopping, saving what runs" in _drawn(progress)


def test_time_left_is_guessed_once_three_trials_have_ended(job: Job) -> None:
    conductor = fresh_conductor(job)
    progress = LiveProgress(job)
    progress.watch(conductor, "training")
    assert "left" not in _drawn(progress)
    Pool(conductor, draw_curves(1, 6, 9, trouble=0.0), 2, np.random.default_rng(0)).run(steps=40)
    assert conductor.results.ended >= 3
    assert "left" in _drawn(progress)


def test_lines_where_there_is_no_terminal(conductor: Conductor, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    progress.watch(conductor, "starting Ray")
    progress.watch(conductor, "training")
    progress.watch(conductor, "training")  # too soon for another line
    said = capsys.readouterr().err.splitlines()
    best = conductor.results.best()
    assert best is not None
    assert said[1] == f"[0s] training: 0/6 trials, 6 epochs, best {best.score:.4g} (trial {best.id})"
    assert len(said) == 2
