"""The training process: imports Keras once, then trains what it is told to, one leg after another.

It speaks JSON lines with the process that owns it.  In: ``train`` (a leg), ``go`` and ``drop`` (the answer at
a milestone), ``leave`` (save and end the leg), ``score`` (the test part), ``discover`` and ``describe`` (what
a user's function asks, and builds).  Out: ``ready``, ``report``, ``left``, ``failed``, ``scored``,
``discovered``, ``described``.  When its input closes it is gone at once, so it never outlives its owner.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from cluster.errors import ClusterError
from cluster.gpus import find_gpus
from cluster.memory import node_bytes
from cluster.patience import WORKER_SECONDS, Patience
from cluster.references import redacted, take_up
from cluster.storage import SweepFolder
from jobs.accelerator import announce_limit, exhausted, limit_memory
from jobs.built import Built
from jobs.cut import Cutter
from jobs.errors import JobError
from jobs.feed import Feed
from jobs.jobfile import parse_job
from jobs.lean import lean_imports
from jobs.material import Material
from jobs.outlook import Outlook
from jobs.pages import Pages
from jobs.panel import Panel
from jobs.params import Params, resolve, space_of
from jobs.parts import Parts, folds_of, parts_of
from jobs.scaling import Scaler, Scaling, scaler_of
from jobs.spec import Job
from jobs.windows import make_windows
from runner.conversation import LegHooks, Line, Message
from runner.data import map_job_panel
from runner.process import GPU_SHARE, OWN_CODE
from runner.travelling import Modules
from runner.triallog import TrialLogs
from runner.warm import WarmWeights

Log = Callable[[SweepFolder, str], AbstractContextManager[None]]
_KEPT = 0.25  # of the node's memory, that a panel may take


class Worker:
    """Carries out orders until its owner goes away."""

    def __init__(self, line: Line, log: Log, *, gpu: bool, refusal: str | None) -> None:
        """Take orders from ``line``; ``log`` sends what a trial prints to its file.

        With a ``refusal`` none is carried out, and that is why.
        """
        self._line, self._log = line, log
        self._gpu, self._refusal = gpu, refusal
        self._jobs: dict[str, Job] = {}
        self._panels: dict[str, Panel] = {}
        self._folds: tuple[Parts, ...] | None = None  # of the latest job on the latest panel
        self._scalers: dict[Scaling, tuple[Scaler, ...]] = {}
        self._held = ExitStack()
        self._modules = Modules(self._held)
        self._thread = ThreadPoolExecutor(1, "saves")
        self._patience = Patience(WORKER_SECONDS, waiting=line.waits)
        self._warm = WarmWeights(self._patience)

    def serve(self) -> None:
        """Carry out one order after another, for ever."""
        orders = {
            "train": self._train,
            "score": self._score,
            "discover": self._discover,
            "describe": self._describe,
        }
        if self._refusal is not None:
            orders = dict.fromkeys(orders, self._refuse)
        while True:
            order = self._line.inbox.get()
            if order["do"] not in orders:
                continue  # the answer to a leg that has ended since
            try:
                orders[order["do"]](order)
            except Exception as error:  # noqa: BLE001 - whatever a trial raises is that trial's failure
                self._line.send(self._failure(error))

    def _failure(self, error: Exception) -> Message:
        said = str(error)
        if not isinstance(error, JobError | ClusterError):
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}"
        why = {"exhausted": True} if exhausted(error, gpu=self._gpu) else {}
        return {"say": "failed", "error": redacted(said)} | why

    def _refuse(self, order: Message) -> None:
        del order
        raise ClusterError(str(self._refusal))

    def _open(self, order: Message) -> tuple[Job, Panel, SweepFolder]:
        return *self._read(order), SweepFolder.from_uri(order["sweep"], self._patience)

    def _read(self, order: Message) -> tuple[Job, Panel]:
        text, panel = order["job"], order["panel"]
        if text not in self._jobs:
            self._jobs = {text: parse_job(text, source="spec.yaml")}
            self._folds = None
            if isinstance(self._jobs[text].model, Built):
                _prepare_for_users_networks()
        if panel not in self._panels:
            with self._line.alive():  # on another node than the driver's it is made first
                self._panels = {panel: _bounded(self._jobs[text], Path(panel))}
            self._folds = None
        return self._jobs[text], self._panels[panel]

    def _params(self, order: Message) -> Params:
        return self._found_here(Params.from_json(order["params"]), order)

    def _found_here(self, params: Params, order: Message) -> Params:
        """The user's modules are looked for where they are on this node."""
        if params.build is None:
            return params
        folder = self._modules.folder(params.build.folder, order.get("modules", {}))
        return replace(params, build=replace(params.build, folder=folder))

    def _prepared(
        self, job: Job, panel: Panel, params: Params
    ) -> tuple[tuple[Parts, ...], tuple[Scaler, ...]]:
        """The job's folds, and what a trial scales each by; made once for all trials that agree in it."""
        how = Scaling.of(params.window)
        with self._line.alive():
            if self._folds is None:
                self._folds, self._scalers = folds_of(job, panel), {}
            if how not in self._scalers:
                self._scalers[how] = tuple(scaler_of(panel, parts, how) for parts in self._folds)
        return self._folds, self._scalers[how]

    def _train(self, order: Message) -> None:
        from jobs.train import Task, train

        self._line.send({"say": "heartbeat"})
        job, panel, folder = self._open(order)
        params = self._params(order)
        folds, scalers = self._prepared(job, panel, params)
        task = Task(
            params=params,
            panel=panel,
            folds=folds,
            seed=order["seed"],
            milestones=frozenset(order["milestones"]),
            outlook=Outlook(tuple(order["rungs"]), order["alike"]),
            pauses=order["pauses"],
            to_beat=order["to_beat"],
            models=frozenset(epoch for _, epoch in folder.models_of(order["trial"]) if order["epoch"]),
            scalers=scalers,
            gpu=self._gpu,
            warm=self._warm.of(order.get("warm")),
        )
        leg = LegHooks(self._line, folder, order, self._thread)
        with self._log(folder, order["trial"]):
            state = self._saved_state(folder, order)
            try:
                train(task, leg, resume_from=state, known_epochs=order["epoch"])
            except JobError as error:
                if state is None:
                    raise
                sys.stderr.write(f"{error}\n")
                train(task, leg, known_epochs=order["epoch"])
            finally:
                leg.flush()
        self._line.send({"say": "left"})

    @staticmethod
    def _saved_state(folder: SweepFolder, order: Message) -> bytes | None:
        path = folder.state(order["trial"])
        return folder.read(path) if folder.exists(path) else None

    def _discover(self, order: Message) -> None:
        from jobs.discovery import discover
        from jobs.hypermodel import load_hypermodel

        job, panel = self._read(order)
        values = space_of(job).sample(np.random.default_rng(0))  # of the window, if anything
        params = self._found_here(resolve(job, values), order)
        assert params.build is not None, "asked of such jobs alone"  # noqa: S101
        material = self._material(job, panel, params)
        hypermodel = load_hypermodel(params.build.build, params.build.folder, material)
        found = discover(hypermodel, material, params)
        self._line.send({"say": "discovered", "found": found.model_dump(mode="json")})

    def _describe(self, order: Message) -> None:
        from jobs.userlearner import describe

        job, panel = self._read(order)
        params = self._params(order)
        summary, parameters = describe(params, self._material(job, panel, params))
        self._line.send({"say": "described", "summary": summary, "parameters": parameters})

    def _material(self, job: Job, panel: Panel, params: Params) -> Material:
        """The windows of the last fold."""
        folds, scalers = self._prepared(job, panel, params)
        windows = make_windows(folds[-1], params.window)
        return Material(Feed(Cutter(panel, params.window), scalers[-1]), windows.train, windows.validation)

    def _score(self, order: Message) -> None:
        from jobs.checkpoint import load_model
        from jobs.forecast import score_test

        self._line.send({"say": "heartbeat"})
        job, panel, folder = self._open(order)
        params = self._params(order)
        try:
            model = load_model(folder.read(order["model"]))
        except JobError as error:
            hint = "restore it from a copy, or run the sweep again with --fresh"
            raise JobError(f"{folder.inside(order['model'])}: {error}; {hint}") from None
        parts = parts_of(job, panel)
        season = job.data.season or panel.season()
        scores = score_test(model, panel, parts, params.window, season, self._alive)
        self._line.send({"say": "scored", "scores": scores})

    def _alive(self) -> None:
        self._line.send({"say": "heartbeat"})


def _bounded(job: Job, folder: Path) -> Panel:
    """The job's panel, of which this process keeps no more than it may."""
    panel = map_job_panel(job, folder)
    return replace(panel, pages=Pages(panel.rows, job.data.memory or int(_KEPT * node_bytes())))


def _prepare_for_users_networks() -> None:
    from jobs.userprogram import start_sooner

    start_sooner()


def _start_backend(share: float) -> None:
    """Import Keras and its backend, once, before the first order is waited for.

    Raises:
        ClusterError, JobError: that ``share`` of a GPU cannot be had.
    """
    card = find_gpus()[0] if share else None
    if card is not None:
        announce_limit(card.pool(share), card.memory)
    if os.environ["KERAS_BACKEND"] == "tensorflow" and OWN_CODE not in os.environ:
        with lean_imports():
            import keras  # noqa: F401
    import jobs.train  # noqa: F401

    if card is not None:
        limit_memory(card.pool(share))


def main() -> None:
    """Serve the owner on standard input and output; everything else printed goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    line = Line(sys.stdin, out)
    refusal, share = None, float(os.environ.get(GPU_SHARE, "0"))
    try:
        take_up()
        _start_backend(share)
    except (ClusterError, JobError) as error:
        refusal = str(error)
    # Every new network is traced anew; TensorFlow warns of that.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    line.send({"say": "ready"})
    log = TrialLogs().of
    Worker(line, log, gpu=share > 0, refusal=refusal).serve()


if __name__ == "__main__":
    main()
