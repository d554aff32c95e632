"""A small job, orders to train its trials, and a training process to hear of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import fs as pafs

from cluster.storage import Storage
from jobs.jobfile import dump_job, load_job
from jobs.params import resolve
from jobs.sample import sample_panel
from runner.data import open_job_panel
from runner.process import Message, WorkerProcess

PATIENCE = 60.0  # seconds in which a loaded machine says its next word
SMALL = [
    "model.cell=gru",
    "model.units=4",
    "window.lookback=8",
    "window.horizon=2",
    "train.learning_rate=0.01",
]


class Orders:
    """A sweep to work for, and the orders of its job."""

    def __init__(self, root: Path) -> None:
        sample_panel(str(root / "data"), pafs.LocalFileSystem(), length=240, shards=2)
        self.job = load_job(root / "data" / "job.yaml", SMALL)
        self.panel = root / "panel"
        open_job_panel(self.job).save(self.panel)
        self.folder = Storage.open(str(root / "sweeps")).sweep("a")

    def order(
        self,
        trial: str,
        epoch: int = 0,
        milestones: tuple[int, ...] = (),
        epochs: int = 2,
        *,
        pauses: bool = False,
        to_beat: float | None = None,
    ) -> Message:
        train = self.job.train.model_copy(update={"max_epochs": epochs, "early_stopping": None})
        job = self.job.model_copy(update={"train": train})
        return {
            "do": "train",
            "job": dump_job(job),
            "sweep": self.folder.uri,
            "panel": str(self.panel),
            "trial": trial,
            "epoch": epoch,
            "params": resolve(job, {}).to_json(),
            "seed": 5,
            "milestones": milestones,
            "rungs": milestones,
            "alike": 1.0,
            "pauses": pauses,
            "to_beat": to_beat,
        }


class Bench(Orders):
    """The same, and a worker that carries them out."""

    def __init__(self, root: Path, worker: WorkerProcess) -> None:
        super().__init__(root)
        self.worker = worker

    def hear(self) -> Message:
        message = self.worker.receive(PATIENCE)
        assert message is not None, "it says nothing"
        return message if message["say"] != "heartbeat" else self.hear()

    def hear_leg(self) -> list[Any]:
        """The epochs it reports, and what it says at the end."""
        heard: list[Any] = []
        while (message := self.hear())["say"] == "report":
            heard.append(message["report"]["epoch"])
        return [*heard, message["say"]]
