"""What a journal adds up to, kept beside it, so that a reader need not add up all of it again.

``journal/results.json`` is two lines: the CRC-32 of the second in eight hex digits, and a JSON object with
the place in the journal up to which it goes.  A trial is a list of its fields' values, in the order that
``kept`` names them in: thousands of objects, each with the names, take twice as long to read.  It is made
from the journal alone, by reading it; whoever finds it missing, damaged, of another version or of another
journal reads the journal from its beginning.
"""

from __future__ import annotations

import gc
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydantic_core import from_json

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from jobs.fidelity import Fidelity
from runner.history import History
from runner.journal import START, Place, read_after
from runner.results import Results
from runner.trial import ENDED, Trial, check_id

_TRIAL = [each.name for each in fields(Trial)]
_EARLIER, _HISTORY, _FIDELITY = map(_TRIAL.index, ("earlier", "history", "fidelity"))
_VERSION = 4  # of what events add up to; the names of all that is kept are a part of it, too


@dataclass
class Summary:
    """Results, and the place in the journal up to which they go, and how many records those are."""

    results: Results = field(default_factory=Results)
    place: Place = START
    records: int = 0

    def read_on(self, folder: SweepFolder) -> bool:
        """Add what the journal holds after the place; False if it is another journal.

        Raises:
            ClusterError: the journal cannot be read, or is damaged.
        """
        with collecting_nothing():
            read = read_after(folder, self.place)
            if read is None:
                return False
            events, self.place = read
            for number, event in enumerate(events, 1):
                try:
                    self.results.apply(event)
                except (KeyError, TypeError, ValueError, AttributeError):
                    raise ClusterError(
                        f"{folder.inside(folder.JOURNAL)}: record {self.records + number} is no event of "
                        "Recur's; restore the journal from a copy, or begin again with --fresh"
                    ) from None
            self.records += len(events)
        return True


def read_summary(folder: SweepFolder) -> Summary:
    """What the whole journal adds up to, by the summary beside it as far as that goes.

    Raises:
        ClusterError: the journal cannot be read, or is damaged.
    """
    for _ in range(2):  # it may be replaced, with the segments it is of, between its reading and theirs
        summary = _kept(folder)
        if summary is not None and summary.read_on(folder):
            return summary
    return summarised(folder)


def summarised(folder: SweepFolder) -> Summary:
    """What the whole journal adds up to, by nothing but the journal.

    Raises:
        ClusterError: the journal cannot be read, or is damaged.
    """
    summary = Summary()
    summary.read_on(folder)
    return summary


def keep(folder: SweepFolder, summary: Summary, encoder: Encoder) -> None:
    """Put a summary beside the journal.

    Raises:
        ClusterError: the storage does not take it.
    """
    folder.write(folder.SUMMARY, encoder.encode(summary))


def _kept(folder: SweepFolder) -> Summary | None:
    try:
        checksum, _, body = folder.read(folder.SUMMARY).partition(b"\n")
    except ClusterError:
        return None
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    with collecting_nothing():
        document = from_json(body)  # in half the time of ``json.loads``
        try:
            return _from_json(document) if document["kept"] == _names() else None
        except (KeyError, TypeError, ValueError):  # its checksum fits, and it is none of ours
            return None


class Encoder:
    """Encodes a summary as often as it grows; what has ended is encoded once."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[Trial, str]] = {}

    def encode(self, summary: Summary) -> bytes:
        """The file's content."""
        results = summary.results
        others = {name: getattr(results, name) for name in _attributes()}
        head = {
            "kept": _names(),
            "place": asdict(summary.place),
            "records": summary.records,
            "fidelity": results.fidelity.to_json(),
            "results": others,
        }
        trials = ",".join(map(self._trial, results.trials.values()))
        body = f'{_json(head)[:-1]},"trials":[{trials}]}}'.encode()
        return b"%08x\n%s" % (zlib.crc32(body), body)

    def _trial(self, trial: Trial) -> str:
        kept = self._ended.get(trial.id)
        if kept is not None and kept[0] is trial:  # a retry begins with another
            return kept[1]
        packed = {"history": trial.history.packed(), "fidelity": trial.fidelity.to_json()}
        text = _json([packed.get(name, getattr(trial, name)) for name in _TRIAL])
        if trial.state in ENDED:
            self._ended[trial.id] = trial, text
        return text


def _from_json(document: dict[str, Any]) -> Summary:
    results, fidelity = Results(), Fidelity(**document["fidelity"])
    vars(results).update(document["results"], fidelity=fidelity)
    for values in document["trials"]:
        if len(values) != len(_TRIAL):
            raise ValueError("no trial's fields")
        same = values[_FIDELITY] == document["fidelity"]  # as good as always
        values[_FIDELITY] = fidelity if same else Fidelity(**values[_FIDELITY])
        values[_HISTORY] = History(tuple(values[_HISTORY]))
        values[_EARLIER] = [(last, before) for last, before in values[_EARLIER]]
        trial = Trial(*values)
        check_id(trial.id)
        results.trials[trial.id] = trial
    return Summary(results, Place(**document["place"]), document["records"])


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _attributes() -> list[str]:
    """What results are beside their trials."""
    return sorted(vars(Results()).keys() - {"trials", "fidelity"})


def _names() -> list[Any]:
    return [_VERSION, _attributes(), _TRIAL]


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Leaves the garbage collector out: it would look through all that is read, again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
