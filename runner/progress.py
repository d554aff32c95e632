"""What a person sees while a sweep runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import heapq
import sys
import time
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.spec import Job
from runner.conductor import Conductor
from runner.show import clock, differing, epochs, fitting, number, short, value
from runner.trial import Trial

_LINE_SECONDS = 10.0
_BEST_ROWS = 5


class Progress(Protocol):
    """Follows a sweep."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def watch(self, conductor: Conductor, phase: str) -> None:
        """Something happened, or a new phase began."""


def make_progress(job: Job) -> Progress:
    """The live table where stderr is a terminal, else lines."""
    return LiveProgress(job) if sys.stderr.isatty() else LineProgress()


class LineProgress:
    """A line on stderr when a phase begins and, while training, every ten seconds at most."""

    def __init__(self) -> None:
        """Begin the clock."""
        self._phase, self._last, self._began = "", 0.0, time.monotonic()

    def __enter__(self) -> Self:
        """Nothing to set up."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to take down."""

    def watch(self, conductor: Conductor, phase: str) -> None:
        """Print if it is time to."""
        now = time.monotonic()
        if phase == self._phase and now - self._last < _LINE_SECONDS:
            return
        self._phase, self._last = phase, now
        results = conductor.results
        best = results.best()
        done = f"{results.ended}/{conductor.planned} trials, {epochs(results.epochs_trained())} epochs"
        found = f", best {number(best.score)} (trial {best.id})" if best else ""
        click.echo(f"[{clock(now - self._began)}] {phase}: {done}{found}", err=True)


class LiveProgress:
    """A table that is drawn anew a few times a second by a thread of rich's."""

    def __init__(self, job: Job) -> None:
        """Prepare to draw; nothing is shown before the context is entered."""
        self._job = job
        self._conductor: Conductor | None = None
        self._phase = "starting"
        self._began = time.monotonic()
        self._trained_since: float | None = None
        self._ended_before = 0
        console = Console(stderr=True, highlight=False)
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away; the summary takes its place."""
        self._live.stop()

    def watch(self, conductor: Conductor, phase: str) -> None:
        """Remember what to draw."""
        if phase == "training" and self._trained_since is None:
            self._trained_since, self._ended_before = time.monotonic(), conductor.results.ended
        self._conductor, self._phase = conductor, phase

    def _draw(self) -> Group:
        conductor = self._conductor
        elapsed = clock(time.monotonic() - self._began)
        if conductor is None:
            return Group(Text(f"{self._job.name}  {self._phase}  {elapsed}"))
        trials = list(conductor.results.trials.values())
        running = [trial for trial in trials if trial.state == "running"]
        best = heapq.nsmallest(_BEST_ROWS, (trial for trial in trials if trial.eligible), key=Trial.rank)
        stopping = "stopping, saving what runs" if conductor.stopping else self._phase
        parts: list[Text | Table | ProgressBar] = [self._headline(conductor, stopping, elapsed)]
        names = fitting(differing(trials), self._live.console.width + 10)
        if running:
            parts += [Text(), self._table("running", running, names)]
        if best:
            parts += [Text(), self._table("best", best, names)]
        parts.append(Text())
        parts.append(Text("Ctrl-C stops and keeps what was found", style="dim"))
        return Group(*parts)

    def _headline(self, conductor: Conductor, phase: str, elapsed: str) -> Table:
        results = conductor.results
        line = Table.grid(padding=(0, 1))
        for _ in range(6):
            line.add_column(no_wrap=True)
        left = self._left(conductor)
        line.add_row(
            Text(self._job.name, style="bold"),
            phase,
            ProgressBar(total=conductor.planned, completed=results.ended, width=10),
            f"{results.ended}/{conductor.planned} trials",
            f"{epochs(results.epochs_trained())} epochs",
            elapsed + (f", about {left} left" if left else ""),
        )
        return line

    def _left(self, conductor: Conductor) -> str | None:
        """A guess from the pace of the trials that have ended since training began."""
        ended = conductor.results.ended - self._ended_before
        if self._trained_since is None or ended < 3:
            return None
        pace = (time.monotonic() - self._trained_since) / ended
        return clock(pace * (conductor.planned - conductor.results.ended))

    def _table(self, title: str, trials: list[Trial], names: list[str]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
        for head in (title, "epoch", "last", "best", "at"):
            table.add_column(head, justify="left" if head == title else "right", no_wrap=True, min_width=6)
        for name in names:
            table.add_column(short(name), justify="right", no_wrap=True, min_width=8)
        for trial in trials:
            table.add_row(
                trial.id,
                f"{trial.passes(trial.epochs_trained):.4g}/{self._job.train.max_epochs}",
                number(trial.history.last),
                number(trial.score),
                epochs(trial.passes(trial.epoch)),
                *(value(trial.best_values.get(name)) for name in names),
            )
        return table
