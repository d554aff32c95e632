"""``recur schedule serve``: the server, its answers over HTTP and its end by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from types import FrameType

import click

from cluster.patience import Patience
from cluster.scheduledocs import Run
from cluster.storage import Storage
from runner.launch import open_storage
from runner.recurring.meters import Meters, answering
from runner.recurring.serving import Launch, Server


def serve_command(*, host: str, port: int, at_once: int, trust: bool, storage: str | None) -> None:
    """Carry out ``recur schedule serve``; returns when SIGTERM or SIGINT came and all has ended.

    Raises:
        ClusterError: the storage cannot be written, or the port cannot be had.
    """
    place = open_storage(storage)
    place.check_writable()
    meters = Meters()
    hasty = replace(place, patience=Patience(0.0))  # it comes back to everything by itself
    server = Server(hasty, launcher(place, trust=trust), meters, at_once, "all" if trust else None)

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        server.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    answers = answering(meters, host, port)
    try:
        where = f"http://{host}:{answers.server_port}"
        click.echo(f"looking after the schedules of {place.uri}; {where}/healthz, {where}/metrics", err=True)
        server.serve()
    finally:
        answers.shutdown()
    click.echo("left; what was running goes on when somebody looks after it again", err=True)


def launcher(storage: Storage, *, trust: bool) -> Launch:
    """Starts runs as processes of this command; what they print goes where this one's errors go."""

    def launch(name: str, run: Run) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "runner.cli", "schedule", "run", name, "--storage", storage.uri]
        given = ["--tick", run.tick.isoformat(), *(["--trust"] if trust else [])]
        # Ctrl-C in a terminal is for the server, which passes it on.
        return subprocess.Popen(  # noqa: S603 - this very command
            [*command, *given], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
        )

    return launch
