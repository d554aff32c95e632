"""A real training process: what it says of a leg, and what it leaves on storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.jobfile import dump_job, load_job
from jobs.params import resolve
from jobs.trainstate import TrainState
from runner.process import Message, WorkerProcess
from tests.runner.bench import SMALL, Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    worker = WorkerProcess(backend="tensorflow", threads=1)
    try:
        yield Bench(tmp_path_factory.mktemp("bench"), worker)
    finally:
        worker.close()


def test_a_leg_is_trained_reported_and_saved(bench: Bench) -> None:
    bench.worker.send(bench.order("00001"))

    reports = [bench.hear() for _ in range(2)]
    assert bench.hear() == {"say": "left"}

    first, last = (message["report"] for message in reports)
    assert (first["epoch"], first["ended"], last["epoch"], last["ended"]) == (1, None, 2, "done")
    assert last["best_score"] == min(first["score"], last["score"])
    assert last["metrics"].keys() >= {"loss", "val_loss", "val_mse", "val_mae"}
    folder = bench.folder
    assert not folder.exists(folder.state("00001"))  # nobody goes on from its end
    assert folder.models_of("00001") == [("00001", last["best_epoch"])]
    assert folder.read(folder.model("00001", last["best_epoch"]))[:2] == b"PK"
    assert not folder.exists(folder.log("00001"))  # nothing was printed


@pytest.mark.parametrize(("answer", "heard"), [("go", [2, "left"]), ("drop", ["left"])])
def test_it_waits_at_a_milestone_for_the_answer(bench: Bench, answer: str, heard: list[Any]) -> None:
    bench.worker.send(bench.order(f"00002-{answer}", milestones=(1,), pauses=True))
    assert bench.hear()["report"]["epoch"] == 1
    assert bench.worker.receive(0.3) is None
    assert bench.folder.exists(bench.folder.state(f"00002-{answer}"))

    bench.worker.send({"do": answer})

    assert bench.hear_leg() == heard


def test_what_is_saved_beside_the_training_is_there_when_the_leg_is_left(bench: Bench) -> None:
    state = bench.folder.state("00009")
    bench.worker.send(bench.order("00009", milestones=(1,), epochs=400, to_beat=0.0))
    assert bench.hear()["report"]["epoch"] == 1
    assert bench.worker.receive(0.3) is None
    assert not bench.folder.exists(state)  # it may be stopped, and then nobody needs it

    bench.worker.send({"do": "go"})
    assert bench.hear()["report"]["epoch"] == 2
    bench.worker.send({"do": "leave"})
    *more, last = bench.hear_leg()

    assert last == "left"
    saved = TrainState.from_bytes(bench.folder.read(state))
    assert saved.progress.epoch == (more[-1] if more else 2)
    assert bench.folder.models_of("00009") == []  # no score beats that of 0


def test_storage_that_takes_no_state_fails_the_trial(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "checkpoints").write_text("a file where the folder should be")
    order = bench.order("00010", milestones=(1,), epochs=400, to_beat=0.0) | {"sweep": str(tmp_path / "a")}
    bench.worker.send(order)
    assert bench.hear()["report"]["epoch"] == 1

    bench.worker.send({"do": "go"})
    while (said := bench.hear())["say"] == "report" and said["report"]["epoch"] < 50:
        pass
    bench.worker.send({"do": "leave"})
    while said["say"] == "report":
        said = bench.hear()

    assert said["say"] == "failed"
    assert "checkpoints/00010/state.npz: cannot be written" in said["error"]


def test_leave_saves_the_state_and_the_next_leg_goes_on_from_it(bench: Bench) -> None:
    bench.worker.send(bench.order("00003", epochs=400))
    assert bench.hear()["report"]["epoch"] == 1

    bench.worker.send({"do": "leave"})

    *more, last = bench.hear_leg()
    reached = more[-1] if more else 1
    assert last == "left"
    state = TrainState.from_bytes(bench.folder.read(bench.folder.state("00003")))
    assert state.progress.epoch == reached < 400
    bench.worker.send(bench.order("00003", epoch=reached, epochs=reached + 2))
    assert bench.hear_leg() == [reached + 1, reached + 2, "left"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "turned"])
def test_a_trial_whose_state_is_damaged_begins_again(bench: Bench, damage: str) -> None:
    trial = f"00011-{damage}"
    bench.worker.send(bench.order(trial, milestones=(1,), pauses=True))
    assert bench.hear()["report"]["epoch"] == 1
    bench.worker.send({"do": "drop"})
    assert bench.hear_leg() == ["left"]
    state = bench.folder.state(trial)
    whole = bench.folder.read(state)
    turned = bytearray(whole)
    turned[len(turned) // 2] ^= 4
    bench.folder.write(state, {"truncated": whole[:-100], "empty": b"", "turned": bytes(turned)}[damage])

    bench.worker.send(bench.order(trial, epoch=1, epochs=3))

    assert bench.hear_leg()[-3:] == [2, 3, "left"]
    assert "the trial starts over" in bench.folder.read(bench.folder.log(trial)).decode()


def test_a_leave_that_comes_with_the_order_is_obeyed(bench: Bench) -> None:
    """Ctrl-C in the very moment in which a leg begins."""
    bench.worker.send(bench.order("00004", epochs=400))
    bench.worker.send({"do": "leave"})

    assert len(bench.hear_leg()) < 10

    bench.worker.send(bench.order("00004", epochs=1))  # and is forgotten then
    assert bench.hear_leg()[-1] == "left"


def test_a_state_that_cannot_be_read_means_to_start_over(bench: Bench) -> None:
    bench.folder.write(bench.folder.state("00005"), b"no state")

    bench.worker.send(bench.order("00005"))

    assert bench.hear_leg() == [1, 2, "left"]
    assert b"saved state cannot be read" in bench.folder.read(bench.folder.log("00005"))


def test_a_trial_that_fails_says_so_and_the_next_one_is_trained(bench: Bench) -> None:
    broken = bench.order("00006")
    broken["params"]["train"]["optimizer"] = "none such"

    bench.worker.send(broken)

    assert bench.hear() == {"say": "failed", "error": "KeyError: 'none such'"}
    assert b"Traceback" in bench.folder.read(bench.folder.log("00006"))
    bench.worker.send(bench.order("00007", epochs=1))
    assert bench.hear_leg() == [1, "left"]


HUNGRY = """
from sklearn.linear_model import Ridge
import numpy as np


class Hungry(Ridge):
    def fit(self, x, y):
        np.ones(1 << 50)


def build(hp):
    return Hungry()
"""


def of_function(bench: Bench, folder: Path, text: str) -> Message:
    """An order to train the regressor that a function builds."""
    (folder / "mine.py").write_text(text)
    built = f"{{build: mine:build, folder: {folder}, found: {{kind: regressor, compiled: null, asks: []}}}}"
    more = [each for each in SMALL if not each.startswith("model.")]
    job = load_job(bench.panel.parent / "data" / "job.yaml", [f"model={built}", *more])
    return bench.order("00011") | {"job": dump_job(job), "params": resolve(job, {}).to_json()}


def test_a_want_of_memory_is_told_apart_from_other_failures(bench: Bench, tmp_path: Path) -> None:
    """In a user's function, too."""
    bench.worker.send(of_function(bench, tmp_path, HUNGRY))

    said = bench.hear()

    assert (said["say"], said["exhausted"]) == ("failed", True)
    assert "mine:build raised MemoryError: Unable to allocate 8.00 PiB" in said["error"]


def test_a_worker_has_one_thread_to_compute_with_and_no_gpu(bench: Bench) -> None:
    pid = bench.worker._process.pid
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)

    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        assert environment[name] == "1"
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
