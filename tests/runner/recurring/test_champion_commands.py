"""``recur champion``, ``recur promote``, and ``recur remove`` of what is in service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from runner.cli import exit_code
from runner.launch import check_standing, read_spec
from runner.recurring.pointer import read_champion
from tests.runner.recurring.published import plain_sweep, schedule

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScheduleFolder:
    """A schedule whose storage, the default one, holds the sweeps a, b and c."""
    monkeypatch.setenv("RECUR_STORAGE", str(tmp_path / "sweeps"))
    storage = Storage.open(str(tmp_path / "sweeps"))
    for name in "abc":
        plain_sweep(storage, name)
    return schedule(storage)


def run(said: Said, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert exit_code(arguments) == code, said.readouterr()
    found = said.readouterr()
    return found.out, found.err


def document(said: Said, *arguments: str) -> Any:
    return json.loads(run(said, *arguments, "--json")[0])


def test_a_champion_is_shown_with_all_that_is_known_of_it(capsys: Said, nightly: ScheduleFolder) -> None:
    made = document(capsys, "promote", "nightly", "--sweep", "a", "--why", "it is the first")

    shown = document(capsys, "champion", "nightly")

    assert shown == made
    storage = nightly.storage
    assert {key: shown[key] for key in ("schedule", "sweep", "trial_id", "epoch", "why", "previous")} == {
        "schedule": "nightly",
        "sweep": "a",
        "trial_id": "00000",
        "epoch": 1,
        "why": "it is the first",
        "previous": None,
    }
    assert shown["checkpoint"] == storage.sweep("a").inside("best/model.keras")
    assert shown["scores"] == {"model": {"mse": 0.5, "mae": None}, "seasonal_naive": {"mse": 1.0}}
    assert shown["hyperparameters"]["window.horizon"] == 4
    assert shown["problem"] is None
    assert "(process " in shown["by"]
    found = read_champion(nightly)
    assert found is not None
    assert shown["since"] == found.since.isoformat()


def test_it_is_shown_to_people_too(capsys: Said) -> None:
    run(capsys, "promote", "nightly", "--sweep", "a")

    out, err = run(capsys, "promote", "nightly", "--sweep", "b")

    assert not err
    lines = [line.split(None, 1) for line in out.splitlines()]
    assert [line[0] for line in lines] == ["sweep", "checkpoint", "since", "model", "seasonal", "before"]
    assert lines[0][1] == "b, epoch 1 of trial 00000"
    assert lines[2][1].endswith(": by hand")
    assert lines[3][1] == "mse 0.5"
    assert lines[5][1] == "a; back to it: recur promote nightly --rollback"


def test_back_to_the_one_before(capsys: Said, nightly: ScheduleFolder) -> None:
    for name in "ab":
        run(capsys, "promote", "nightly", "--sweep", name)

    back = document(capsys, "promote", "nightly", "--rollback", "--why", "b is slow")

    assert (back["sweep"], back["why"], back["previous"]["sweep"]) == ("a", "b is slow", "b")
    events = [(record.event, record.sweep, record.reason) for record in nightly.history()[0]]
    assert events == [
        ("promoted", "a", "by hand"),
        ("promoted", "b", "by hand"),
        ("rolled_back", "a", "b is slow"),
    ]


def test_without_a_champion_it_is_said_how_there_comes_to_be_one(capsys: Said) -> None:
    out, err = run(capsys, "champion", "nightly", code=1)

    assert not out
    assert err == (
        "Failed: schedule nightly has no champion yet: the first of its runs whose model is better than the "
        "seasonal naive forecast makes one, or type: recur promote nightly --sweep SWEEP\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["champion", "nigthly"], "no schedule 'nigthly' in "),
        (["champion", "a/b"], "'a/b' cannot be a schedule's name"),
        (["promote", "nightly"], "say which model: --sweep S, or --rollback"),
        (["promote", "nightly", "--sweep", "a", "--rollback"], "say which model"),
        (["promote", "nightly", "--rollback"], "has no champion yet: there is nothing to roll back to"),
        (["promote", "nightly", "--sweep", "aa"], "no sweep 'aa' in "),
        (["promote", "nightly", "--sweep", "../a"], "../a is no sweep's folder"),
        (["promote", "nigthly", "--sweep", "a"], "(did you mean nightly)"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(capsys: Said, arguments: list[str], said: str) -> None:
    out, err = run(capsys, *arguments, code=2)

    assert not out
    assert said in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["window.horizon=3"], "its horizon is 3, the champion's 4"),
        (["data.target=z"], "its target is z, the champion's y"),
        (
            ["window.horizon=3", "data.target=z"],
            "horizon is 3, the champion's 4; its target is z, the champion",
        ),
    ],
)
def test_what_forecasts_something_else_takes_nobody_s_place(
    capsys: Said, nightly: ScheduleFolder, overrides: list[str], said: str
) -> None:
    sweep = plain_sweep(nightly.storage, "other", *overrides)
    if overrides[-1] == "data.target=z":
        _rename(sweep)
    run(capsys, "promote", "nightly", "--sweep", "a")

    _, err = run(capsys, "promote", "nightly", "--sweep", "other", code=2)

    assert "sweep other does not forecast what sweep a, the champion of schedule nightly, does: " in err
    assert said in err
    assert err.endswith("; add another schedule for it\n")


def _rename(sweep: Any) -> None:
    """Its target is z."""
    from runner.publish import _identity

    signature = sweep.read_json("best/signature.json")
    signature["outputs"][0]["columns"] = ["z"]
    sweep.write_json("best/signature.json", signature)
    manifest = sweep.read_json("best/manifest.json")
    manifest["files"]["signature.json"] = _identity(sweep.read("best/signature.json"))
    sweep.write_json("best/manifest.json", manifest)


def test_a_champion_that_was_damaged_can_be_replaced(capsys: Said, nightly: ScheduleFolder) -> None:
    run(capsys, "promote", "nightly", "--sweep", "a")
    nightly.storage.sweep("a").write("best/signature.json", b"spoilt")

    out, err = run(capsys, "champion", "nightly", "--json")
    assert json.loads(out)["hyperparameters"] is None
    assert "signature.json is not the file that was published" in json.loads(out)["problem"]
    assert err.startswith("Note: ")

    assert document(capsys, "promote", "nightly", "--sweep", "b")["sweep"] == "b"


def test_a_sweep_that_is_not_whole_is_not_promoted(capsys: Said, nightly: ScheduleFolder) -> None:
    nightly.storage.sweep("a").delete("best/manifest.json")

    _, err = run(capsys, "promote", "nightly", "--sweep", "a", code=2)

    assert err == "Error: sweep a has published no best model yet; see: recur status a\n"
    assert read_champion(nightly) is None


def test_a_schedule_that_was_removed_keeps_its_champion(capsys: Said, nightly: ScheduleFolder) -> None:
    run(capsys, "promote", "nightly", "--sweep", "a")
    nightly.delete(nightly.DEFINITION)

    assert document(capsys, "champion", "nightly")["sweep"] == "a"


def test_a_damaged_pointer_is_one_sentence(capsys: Said, nightly: ScheduleFolder) -> None:
    nightly.write(nightly.CHAMPION, b"{}")

    for arguments in (["champion", "nightly"], ["promote", "nightly", "--rollback"]):
        _, err = run(capsys, *arguments, code=2)
        assert err.startswith(
            f"Error: {nightly.inside('champion.json')} does not say which model is in service"
        )


def test_neither_the_champion_nor_the_one_before_is_removed(capsys: Said, nightly: ScheduleFolder) -> None:
    for name in "ab":
        run(capsys, "promote", "nightly", "--sweep", name)

    for name, what in (("b", "the champion"), ("a", "the champion before the present one")):
        _, err = run(capsys, "remove", name, "--yes", code=2)
        assert err == (
            f"Error: sweep {name} is {what} of schedule nightly, and stays; promote another one first\n"
        )
        assert nightly.storage.sweep(name).exists()
    run(capsys, "remove", "c", "--yes")
    assert not nightly.storage.sweep("c").exists()


def test_nor_is_it_replaced(capsys: Said, nightly: ScheduleFolder) -> None:
    run(capsys, "promote", "nightly", "--sweep", "a")
    sweep = nightly.storage.sweep("a")

    with pytest.raises(ClusterError, match=r"^sweep a is the champion of schedule nightly, and stays"):
        check_standing(sweep, read_spec(sweep), fresh=True)
