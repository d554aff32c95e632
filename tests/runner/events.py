"""A journal's events, with what a test does not care about filled in, and segments of them."""

from __future__ import annotations

from typing import Any

from cluster.storage import SweepFolder
from runner.journal import Event, encode


def start(time: float = 0.0) -> Event:
    return {"event": "start", "version": 1, "time": time, "versions": {}}


def finish(state: str, time: float = 0.0) -> Event:
    return {"event": "finish", "state": state, "time": time}


def trial(number: int, **values: Any) -> Event:
    return {"event": "trial", "trial": f"{number:05d}", "number": number, "values": values}


def leg(number: int, epoch: int = 0) -> Event:
    return {"event": "leg", "trial": f"{number:05d}", "epoch": epoch}


def pause(number: int) -> Event:
    return {"event": "pause", "trial": f"{number:05d}"}


def end(number: int, state: str = "done", error: str | None = None) -> Event:
    return {"event": "end", "trial": f"{number:05d}", "state": state, "error": error}


def trained(number: int, *scores: float | None, rungs: tuple[int, ...] = ()) -> list[Event]:
    """A trial's results from its first epoch on; None is a loss that is not finite."""
    events: list[Event] = []
    best: tuple[float, int] | None = None
    for epoch, score in enumerate(scores, start=1):
        if score is not None and (best is None or score < best[0]):
            best = (score, epoch)
        events.append(
            {
                "event": "result",
                "trial": f"{number:05d}",
                "epoch": epoch,
                "score": score,
                "best_score": best and best[0],
                "best_epoch": best[1] if best else 0,
                "metrics": {"val_loss": score, "loss": 1.0 / epoch},
                "seconds": 2.5,
                "ended": None,
                "rung": epoch in rungs,
            }
        )
    return events


def write(folder: SweepFolder, number: int, *events: Event) -> None:
    """Make this segment of a sweep's journal of these events."""
    folder.write(folder.segment(number), b"".join(map(encode, events)))
