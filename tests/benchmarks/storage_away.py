"""A sweep on S3 whose storage is away for two minutes in its middle, then slow: what is lost and repeated.

``python -m tests.benchmarks.storage_away [--seconds 120] [--trials 12]``.  For the first third of the time
requests hang, for the second they are cut off, for the last they fail with status 500; from then on each
takes 0.3 s longer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from pyarrow import fs as pafs

from cluster.storage import SweepFolder
from jobs.sample import sample_panel
from runner.cli import exit_code
from runner.journal import read_journal
from runner.publish import read_best, read_manifest
from tests.runner.command import JobWriter
from tests.s3 import KEYS, Faults, faulty_way, s3_server, uri

_FIRST_RESULTS = 4  # on storage, when it goes away


class Outage:
    """What the way does, from the first results on."""

    def __init__(self, folder: SweepFolder, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self.way, self.before = "ok", 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while (before := len(results_of(self._folder))) < _FIRST_RESULTS:
            time.sleep(0.1)
        self.before = before
        for self.way in ("hang", "cut", "500"):
            time.sleep(self._seconds / 3)
        self.way = "late"


def results_of(folder: SweepFolder) -> list[tuple[str, int]]:
    """The trial and the epoch of every result in the journal."""
    return [(e["trial"], e["epoch"]) for e in read_journal(folder) if e["event"] == "result"]


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--trials", type=int, default=12)
    asked = parser.parse_args()
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as name, s3_server() as server:
        here = Path(name)
        sample_panel(str(here / "data"), pafs.LocalFileSystem(), series=1, length=300, shards=2)
        job = JobWriter(here / "data")(here, trials=asked.trials, epochs=3, scheduler="none")
        folder = SweepFolder.from_uri(uri(server, "sweeps/small"))
        outage, said = Outage(folder, asked.seconds), io.StringIO()
        faults, begun = Faults(lambda _: outage.way), time.monotonic()
        with faulty_way(server, faults) as port, contextlib.redirect_stdout(said):
            outage.thread.start()
            options = ["--set", "train.early_stopping=null", "--json"]
            code = exit_code(["run", str(job), "--storage", uri(port, "sweeps"), *options])
        seconds, counts = time.monotonic() - begun, Counter(results_of(folder))
        wanted = {(f"{n:05d}", epoch) for n in range(asked.trials) for epoch in (1, 2, 3)}
        manifest = read_manifest(folder)
        found = json.loads(said.getvalue()) if code == 0 else {}
        print(f"exit code                {code}")
        print(f"seconds                  {seconds:.0f}, of which {asked.seconds:.0f} without storage")
        print(f"requests                 {dict(Counter(faults.done))}")
        print(f"results before, in all   {outage.before}, {counts.total()}")
        print(f"lost, repeated           {len(wanted - set(counts))}, {counts.total() - len(counts)}")
        print(f"trials done              {found.get('trials', {}).get('done')} of {asked.trials}")
        whole = all(read_best(folder, file) for file in manifest["files"])
        print(f"best whole               {whole and manifest['trial_id'] == found.get('trial_id')}")


if __name__ == "__main__":
    main()
