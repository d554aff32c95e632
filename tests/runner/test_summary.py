"""A summary and what follows it add up to the journal, or the summary is not believed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.storage import SweepFolder
from runner.compaction import merge, merge_latest
from runner.journal import Event, encode
from runner.results import Results
from runner.summary import Encoder, Summary, keep, read_summary, summarised
from tests.cluster.object_store import ObjectStore, open_object_store
from tests.runner.curves import SEEDS, TROUBLE, WORKERS
from tests.runner.events import end, leg, start, trained, trial, write
from tests.runner.pool import Lines
from tests.runner.sweeps import SCHEDULERS, eventful_journal, job_of

EVENTS: list[Event] = [
    start(1.0) | {"fidelity": {"windows": 64, "per_pass": 3}, "planned": 2},
    trial(0, **{"model.units": 8, "model.cell": "gru"}),
    leg(0),
    *trained(0, 0.5, None, 0.1, rungs=(1, 3)),
    end(0),
    trial(1, **{"model.units": 4, "model.cell": "lstm"}) | {"off_cudnn": "activation relu"},
    leg(1),
    *trained(1, 0.4, 0.3, rungs=(1,)),
    {"event": "grow", "trial": "00001", "gpu": 0.5, "error": "out of memory"},
    end(1, "failed", "ValueError: é"),
]


def found(folder: SweepFolder) -> dict[str, Any]:
    return vars(read_summary(folder).results)


def forged(folder: SweepFolder, **changes: Any) -> None:
    """Write the summary with other contents and a checksum that fits."""
    body = json.loads(folder.read(folder.SUMMARY).partition(b"\n")[2])
    data = json.dumps(body | changes).encode()
    folder.write(folder.SUMMARY, b"%08x\n%s" % (zlib.crc32(data), data))


@settings(deadline=None, max_examples=80)
@given(SCHEDULERS, SEEDS, WORKERS, TROUBLE, st.data())
def test_a_summary_of_any_beginning_and_the_rest_are_the_whole(
    scheduler: str, seed: int, workers: int, trouble: float, data: st.DataObject
) -> None:
    """However the journal is cut into segments, merged and summed up."""
    events = eventful_journal(job_of(scheduler), seed, workers, trouble, data)
    folder = open_object_store(ObjectStore()).sweep("a")
    encoder, number, begin = Encoder(), 0, 0
    while begin < len(events):
        length = data.draw(st.integers(1, 20))
        number += 1
        write(folder, number, *events[begin : begin + length])
        begin += length
        if data.draw(st.booleans()):
            keep(folder, read_summary(folder), encoder)
        if data.draw(st.booleans()):
            merge_latest(folder, before=data.draw(st.integers(1, number + 1)), least=2)

    assert found(folder) == vars(Results(events))
    assert vars(summarised(folder).results) == vars(Results(events))


@pytest.mark.parametrize("count", range(len(EVENTS) + 1))
@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_summary_of_an_open_segment_goes_on_inside_it(folder: SweepFolder, count: int, more: int) -> None:
    write(folder, 1, *EVENTS[:count])
    keep(folder, read_summary(folder), Encoder())
    write(folder, 1, *EVENTS[: count + more])

    summary = read_summary(folder)

    assert vars(summary.results) == vars(Results(EVENTS[: count + more]))
    assert summary.records == min(count + more, len(EVENTS))
    assert summary.read_on(folder)
    assert summary.records == min(count + more, len(EVENTS))


def test_what_a_summary_covers_is_not_read_again(folder: SweepFolder) -> None:
    write(folder, 1, *EVENTS[:5])
    write(folder, 2, *EVENTS[5:9])
    keep(folder, read_summary(folder), Encoder())
    folder.write(folder.segment(1), b"")
    write(folder, 3, *EVENTS[9:])

    assert found(folder) == vars(Results(EVENTS))


@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, -1), slice(1, None), slice(0, 8), slice(9, None)])
def test_a_damaged_summary_is_not_believed(folder: SweepFolder, damage: slice) -> None:
    write(folder, 1, *EVENTS)
    keep(folder, read_summary(folder), Encoder())
    folder.write(folder.SUMMARY, folder.read(folder.SUMMARY)[damage])

    assert found(folder) == vars(Results(EVENTS))


def test_any_other_byte_shows(folder: SweepFolder) -> None:
    write(folder, 1, *EVENTS)
    keep(folder, read_summary(folder), Encoder())
    whole = folder.read(folder.SUMMARY)

    for at in range(0, len(whole), 37):
        changed = bytearray(whole)
        changed[at] ^= 1
        folder.write(folder.SUMMARY, bytes(changed))
        assert found(folder) == vars(Results(EVENTS)), at


def test_a_summary_of_another_version_is_not_believed(folder: SweepFolder) -> None:
    write(folder, 1, *EVENTS)
    keep(folder, read_summary(folder), Encoder())
    forged(folder, kept=["another"], trials=[], results={})

    assert found(folder) == vars(Results(EVENTS))


@pytest.mark.parametrize("change", ["one field less", "one field more", "names", "no trials"])
def test_a_summary_of_other_trials_fields_is_not_believed(folder: SweepFolder, change: str) -> None:
    write(folder, 1, *EVENTS)
    keep(folder, read_summary(folder), Encoder())
    trials = json.loads(folder.read(folder.SUMMARY).partition(b"\n")[2])["trials"]
    others = {
        "one field less": [trials[0][:-1], *trials[1:]],
        "one field more": [[*trials[0], None], *trials[1:]],
        "names": [{"id": "00000", "number": 0}, *trials[1:]],
        "no trials": 1,
    }
    forged(folder, trials=others[change])

    assert found(folder) == vars(Results(EVENTS))


@pytest.mark.parametrize(
    "place",
    [
        {"segment": 1, "offset": 10_000, "last": 9_900, "mark": "00000000"},  # of a longer journal
        {"segment": 1, "offset": 95, "last": 5, "mark": "00000000"},  # of another one
        {"segment": 3, "offset": 0, "last": 0, "mark": ""},  # of one that had more segments
        {"segment": 2, "offset": 80, "last": 0, "mark": "00000000"},
    ],
)
def test_a_summary_of_another_journal_is_not_believed(folder: SweepFolder, place: dict[str, Any]) -> None:
    write(folder, 1, *EVENTS)
    keep(folder, Summary(), Encoder())
    forged(folder, place=place)

    assert found(folder) == vars(Results(EVENTS))


def test_damage_behind_a_summary_is_told_by_the_line_in_its_file(folder: SweepFolder) -> None:
    write(folder, 1, *EVENTS[:3])
    keep(folder, read_summary(folder), Encoder())
    lines = [encode(event) for event in EVENTS]
    folder.write(folder.segment(1), b"".join([*lines[:5], b"garbage\n", *lines[6:]]))

    with pytest.raises(ClusterError, match="line 6 is damaged and whole ones follow it"):
        read_summary(folder)


def test_a_summary_whose_segment_was_merged_is_not_believed(folder: SweepFolder) -> None:
    write(folder, 1, *EVENTS[:5])
    keep(folder, read_summary(folder), Encoder())
    write(folder, 1, *EVENTS[:7])
    write(folder, 2, *EVENTS[7:])
    merge(folder, before=3)

    assert found(folder) == vars(Results(EVENTS))


def test_a_trial_that_is_tried_again_is_encoded_again(folder: SweepFolder) -> None:
    again: list[Event] = [*EVENTS, {"event": "retry", "trial": "00001"}]
    encoder = Encoder()
    write(folder, 1, *EVENTS)
    keep(folder, read_summary(folder), encoder)
    write(folder, 1, *again)
    keep(folder, read_summary(folder), encoder)

    assert found(folder) == vars(Results(again))


@pytest.mark.parametrize("scores", [(0.5, 0.25, 0.125), (0.5, None, 0.25), (1, 2, 3)])
@pytest.mark.parametrize("epochs", [slice(None), slice(1, None), slice(0, None, 2), slice(0, 0)])
def test_results_of_any_epochs_and_scores_are_kept(
    folder: SweepFolder, scores: tuple[float | None, ...], epochs: slice
) -> None:
    events = [start(), trial(0), *trained(0, *scores)[epochs]]
    write(folder, 1, *events)
    keep(folder, read_summary(folder), Encoder())

    assert found(folder) == vars(Results(events))


def test_an_empty_journal_has_a_summary() -> None:
    folder = open_object_store(ObjectStore()).sweep("a")

    assert found(folder) == vars(Results(Lines()))
    keep(folder, read_summary(folder), Encoder())
    assert found(folder) == vars(Results())
    write(folder, 1, *EVENTS)
    assert found(folder) == vars(Results(EVENTS))
