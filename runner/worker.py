"""The training process: imports Keras once, then trains what it is told to, one leg after another.

It speaks JSON lines with the process that owns it.  In: ``train`` (a leg), ``go`` and ``drop`` (the answer at
a milestone), ``leave`` (save and end the leg), ``score`` (the test part).  Out: ``ready``, ``report``,
``left``, ``failed``, ``scored``.  When its input closes it is gone at once, so it never outlives its owner.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from cluster.errors import ClusterError
from cluster.scratch import scratch_folder
from cluster.storage import SweepFolder
from jobs.errors import JobError
from jobs.jobfile import parse_job
from jobs.panel import Panel
from jobs.params import Params
from jobs.report import EpochReport
from jobs.spec import Job
from jobs.windows import Scaler, fit_scaler, split_panel
from runner.data import open_job_panel

Message = dict[str, Any]


class _Line:
    """The owner's end of the conversation: a thread reads, anyone writes."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._sink = sink
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.leave = threading.Event()
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def _read(self, source: IO[str]) -> None:
        for text in source:
            message = json.loads(text)
            if message["do"] == "leave":
                self.leave.set()
            elif message["do"] == "train":  # here, so that a `leave` right behind it is not forgotten
                self.leave.clear()
            self.inbox.put(message)
        os._exit(0)  # the owner is gone; whatever runs in the main thread has nobody to report to

    def send(self, message: Message) -> None:
        self._sink.write(json.dumps(message) + "\n")
        self._sink.flush()


class _Leg:
    """Connects one leg's training with the owner and with the sweep's folder."""

    def __init__(self, line: _Line, folder: SweepFolder, order: Message) -> None:
        self._line, self._folder = line, folder
        self._trial: str = order["trial"]
        self._milestones = frozenset(order["milestones"])

    def report(self, report: EpochReport) -> bool:
        self._line.send({"say": "report", "report": asdict(report)})
        if report.ended or report.epoch not in self._milestones:
            return True
        return bool(self._line.inbox.get()["do"] == "go")

    def save(self, *, state: bytes, model: bytes | None, epoch: int) -> None:
        folder, trial = self._folder, self._trial
        if model is not None:
            folder.write(folder.model(trial, epoch), model)
        folder.write(folder.state(trial), state)
        for owner, older in folder.models_of(trial) if model is not None else ():
            if older != epoch:
                folder.delete(folder.model(owner, older))

    def interrupted(self) -> bool:
        return self._line.leave.is_set()


class Worker:
    """Carries out orders until its owner goes away."""

    def __init__(self, line: _Line, log: Callable[[Path | None], None]) -> None:
        """Take orders from ``line``; ``log`` sends what is printed to a file."""
        self._line, self._log = line, log
        self._jobs: dict[str, Job] = {}
        self._panels: dict[str, Panel] = {}
        self._scalers: dict[str, Scaler] = {}
        self._held = ExitStack()

    def serve(self) -> None:
        """Carry out one order after another, for ever."""
        orders = {"train": self._train, "score": self._score}
        while True:
            order = self._line.inbox.get()
            if order["do"] not in orders:
                continue  # the answer to a leg that has ended since
            try:
                orders[order["do"]](order)
            except (JobError, ClusterError) as error:
                self._line.send({"say": "failed", "error": str(error)})
            except Exception as error:  # noqa: BLE001 - whatever a trial raises is that trial's failure
                traceback.print_exc()
                self._line.send({"say": "failed", "error": f"{type(error).__name__}: {error}"})

    def _open(self, order: Message) -> tuple[Job, Panel, SweepFolder]:
        text, panel = order["job"], order["panel"]
        if text not in self._jobs:
            self._jobs = {text: parse_job(text, source="spec.yaml")}
        if panel not in self._panels:
            self._panels = {panel: self._open_panel(self._jobs[text], Path(panel))}
        return self._jobs[text], self._panels[panel], SweepFolder.from_uri(order["sweep"])

    def _open_panel(self, job: Job, folder: Path) -> Panel:
        """The driver's panel; on another node, one of this process's own, gone with it."""
        if not folder.exists():
            folder = self._held.enter_context(scratch_folder(None)) / "panel"
        return open_job_panel(job, folder)

    def _train(self, order: Message) -> None:
        from jobs.train import Task, train

        job, panel, folder = self._open(order)
        parts, opened = split_panel(panel, job.data.split), order["panel"]
        if opened not in self._scalers:
            self._scalers = {opened: fit_scaler(panel, parts)}
        task = Task(
            params=Params.from_json(order["params"]),
            panel=panel,
            parts=parts,
            seed=order["seed"],
            milestones=frozenset(order["milestones"]),
            scaler=self._scalers[opened],
        )
        leg = _Leg(self._line, folder, order)
        with self._logged(folder, order["trial"]):
            state = self._saved_state(folder, order)
            try:
                train(task, leg, resume_from=state, known_epochs=order["epoch"])
            except JobError as error:
                if state is None:
                    raise
                sys.stderr.write(f"{error}\n")
                train(task, leg, known_epochs=order["epoch"])
        self._line.send({"say": "left"})

    @staticmethod
    def _saved_state(folder: SweepFolder, order: Message) -> bytes | None:
        path = folder.state(order["trial"])
        return folder.read(path) if folder.exists(path) else None

    @contextmanager
    def _logged(self, folder: SweepFolder, trial: str) -> Iterator[None]:
        """Sends what the trial prints to its log in the sweep's folder, appending over its legs."""
        log = folder.log(trial)
        if folder.storage.local is not None:
            local = Path(folder.path(log))
        else:
            local = self._held.enter_context(scratch_folder(None)) / "log"
            local.write_bytes(folder.read(log) if folder.exists(log) else b"")
        local.parent.mkdir(parents=True, exist_ok=True)
        self._log(local)
        try:
            yield
        except Exception:
            traceback.print_exc()
            raise
        finally:
            self._log(None)
            if not local.stat().st_size:
                local.unlink()
            elif folder.storage.local is None:
                folder.write(log, local.read_bytes())

    def _score(self, order: Message) -> None:
        from jobs.checkpoint import load_model
        from jobs.forecast import score_test

        job, panel, folder = self._open(order)
        params = Params.from_json(order["params"])
        model = load_model(folder.read(order["model"]))
        parts = split_panel(panel, job.data.split)
        season = job.data.season or panel.season()
        self._line.send({"say": "scored", "scores": score_test(model, panel, parts, params.window, season)})


def _log_switch() -> Callable[[Path | None], None]:
    """Points the process's stdout and stderr at a file, or back at where they went."""
    usual = os.dup(2)

    def switch(path: Path | None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        target = usual if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(target, 1)
        os.dup2(target, 2)
        if path is not None:
            os.close(target)

    return switch


def main() -> None:
    """Serve the owner on standard input and output; everything else printed goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    line = _Line(sys.stdin, out)
    import jobs.train  # noqa: F401 - Keras and its backend, once, before the first order is waited for

    logging.getLogger("tensorflow").setLevel(
        logging.ERROR
    )  # every new network is traced anew; it warns of that
    line.send({"say": "ready"})
    Worker(line, _log_switch()).serve()


if __name__ == "__main__":
    main()
