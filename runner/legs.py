"""Legs, and what an actor is told of one: the order, the process that carries it out, the room it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.params import Params
from jobs.spec import Resources


@dataclass(frozen=True)
class Leg:
    """A stretch of training to be done.

    Attributes:
        epoch: where it begins; 0 for a fresh trial, else the trial's saved state is gone on from.
        milestones: epochs after which it waits for a decision.
        rungs: all epochs at which there ever is one.
        alike: trials of the sweep that share a program, see ``jobs.outlook``.
        pauses: whether a decision may be that it goes on later.
        to_beat: the best score of a trial that has ended; models that are worse need not be kept.
        gpu: the share of a card that it is given.
        cpu: the cores that nobody else is given meanwhile; it computes on the job's.
        timeout: seconds after which its process is killed; None for any.
        heartbeat: seconds without a sign of life after which it is.
    """

    trial: str
    number: int
    epoch: int
    params: Params
    seed: int
    milestones: tuple[int, ...]
    rungs: tuple[int, ...]
    alike: float
    pauses: bool
    to_beat: float | None
    gpu: float
    cpu: int
    timeout: float | None
    heartbeat: float


@dataclass(frozen=True)
class Work:
    """Something for an actor to do: the name of its trial, the actor's config, and the room it needs."""

    trial: str
    config: dict[str, Any]
    room: dict[str, float]


@dataclass(frozen=True)
class LegConfig:
    """What is the same for every leg of a sweep, as the training process is told it.

    Attributes:
        job: the job file's text.
        sweep: the URI of the sweep's folder.
        panel: the folder of the panel on the driver's node.
        modules: the user's that the job names, by their paths from its folder.
        own_code: whether the user's code makes the networks.
        warm: the model whose weights networks begin with, see ``runner.warm``.
    """

    job: str
    sweep: str
    panel: str
    backend: str
    resources: Resources
    modules: Mapping[str, str]
    own_code: bool = False
    warm: Mapping[str, Any] | None = None

    def of(self, leg: Leg) -> Work:
        """A leg."""
        order = {
            "do": "train",
            "trial": leg.trial,
            "epoch": leg.epoch,
            "params": leg.params.to_json(),
            "seed": leg.seed,
            "milestones": leg.milestones,
            "rungs": leg.rungs,
            "alike": leg.alike,
            "pauses": leg.pauses,
            "to_beat": leg.to_beat,
            "timeout": leg.timeout,
            "heartbeat": leg.heartbeat,
            "warm": self.warm,
        }
        return self.around(leg.trial, order, gpu=leg.gpu, cpu=leg.cpu)

    def around(self, trial: str, order: dict[str, Any], *, gpu: float, cpu: int) -> Work:
        """An order with what every order says, with the process that is to carry it out and its room."""
        resources = self.resources
        same = {"job": self.job, "sweep": self.sweep, "panel": self.panel, "modules": self.modules}
        config = {
            "order": order | same,
            "process": {
                "backend": self.backend,
                "threads": resources.cpu,
                "gpu": gpu,
                "own_code": self.own_code,
            },
            "limits": {
                "legs": resources.trials_per_worker,
                "memory": int(resources.memory_gb * 1e9) if resources.memory_gb else None,
            },
        }
        return Work(trial, config, {"CPU": cpu} | ({"GPU": gpu} if gpu else {}))
