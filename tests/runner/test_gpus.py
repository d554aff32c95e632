"""Sweeps that ask for a share of a card: real Ray and processes, cards that only ``nvidia-smi`` tells of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pyarrow import fs as pafs

from jobs.sample import sample_panel
from tests.cluster.cards import CARDS, pretend

ROOT = Path(__file__).resolve().parents[2]
JAX = "--set=backend=jax"


def recur(folder: Path, *options: str, real: bool = False) -> subprocess.CompletedProcess[str]:
    """``recur run`` of a small job on the cards of the environment."""
    if not (folder / "data").exists():
        sample_panel(str(folder / "data"), pafs.LocalFileSystem(), length=240, shards=1)
    module = "runner.cli import main as run" if real else "tests.runner.card_recur import run"
    command = [sys.executable, "-c", f"from {module}; run()", "run", str(folder / "data" / "job.yaml")]
    fixed = ("--storage", str(folder / "sweeps"), "--name", "a", "--set", "window.lookback=8")
    env = os.environ | {"PYTHONPATH": str(ROOT)}  # for Ray's actors to find the stand-in
    return subprocess.run([*command, *fixed, *options], capture_output=True, text=True, check=False, env=env)


def told(path: Path) -> Counter[str]:
    """What the training processes said that they were given, and how often."""
    return Counter(path.read_text().splitlines())


def test_trials_share_cards_and_one_that_needs_more_gets_twice_its_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, CARDS.splitlines()[0])
    monkeypatch.setenv("RECUR_TEST_TOLD", str(tmp_path / "told"))

    found = recur(
        tmp_path,
        "--json",
        "--workers=2",
        *("--set=model={cell: gru, units: {choice: [1, 2, 3]}}", "--set=resources={cpu: 1, gpu: 0.25}"),
        *("--set=search={algorithm: random, scheduler: none, trials: 3}", "--set=train={max_epochs: 1}", JAX),
    )

    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["hyperparameters"]["model.units"] == 2
    quarter, half = "True 0 0.2256 -", "True 0 0.4756 -"  # shares of the card, less what every process takes
    assert told(tmp_path / "told") == Counter(
        [f"1 0.25 {quarter}", f"2 0.25 {quarter}", f"2 0.5 {half}", f"3 0.25 {quarter}", f"3 0.5 {half}"]
    )
    trials = json.loads(
        subprocess.run(
            [sys.executable, "-m", "runner.cli", "trials", str(tmp_path / "sweeps" / "a"), "--json"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    by_units = {trial["hyperparameters"]["model.units"]: trial for trial in trials}
    assert [by_units[units]["state"] for units in (1, 2, 3)] == ["done", "done", "failed"]
    assert by_units[1]["diagnosis"] == "slower than by cuDNN: layer 1 is a gru"  # JAX has no kernel for it
    assert by_units[2]["diagnosis"].endswith("ran out of GPU memory, given 0.5 of a card")
    assert by_units[3]["error"].startswith("needs more GPU memory than 0.5 of a card has")


def test_a_backend_that_sees_no_card_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, CARDS)

    found = recur(tmp_path, "--workers=1", "--set=resources={cpu: 1, gpu: 0.5}", real=True)

    assert found.returncode == 1
    assert (
        "the first five trials failed in the same way: resources.gpu: tensorflow sees no GPU" in found.stderr
    )
    assert "pip install 'recur-tune[gpu]'" in found.stderr


@pytest.mark.parametrize("here", [True, False])
def test_a_dry_run_names_the_choices_that_are_slow_on_a_card(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    here: bool,  # noqa: FBT001
) -> None:
    """Also where there is none: jobs for GPUs are written elsewhere too."""
    pretend(monkeypatch, tmp_path, CARDS if here else "", 0 if here else 9)
    options = (
        "--dry-run",
        "--set=model={cell: {choice: [gru, simple_rnn]}, activation: {choice: [tanh, relu]}}",
    )

    on_cores, on_card = (recur(tmp_path, *options, f"--set=resources={{gpu: {gpu}}}") for gpu in (0, 1))

    assert "cuDNN" not in on_cores.stdout
    assert on_card.returncode == 0
    assert ("a trial asks for 1 of a GPU; no GPU was found here: nvidia-smi says" in on_card.stderr) != here
    assert [line for line in on_card.stdout.splitlines() if "cuDNN" in line] == [
        f"slow on GPU {choice}: cuDNN has no kernel for it, so such trials take XLA's slower way"
        for choice in ("model.cell: simple_rnn", "model.activation: relu")
    ]
