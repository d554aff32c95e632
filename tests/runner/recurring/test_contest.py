"""Champion and challenger: real models on the same windows of the same data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.errors import ClusterError, StorageAwayError
from cluster.storage import Storage, SweepFolder
from jobs.errors import JobError
from jobs.forecast import score_test
from jobs.metrics import Loss
from jobs.panel import Panel
from jobs.params import resolve
from jobs.parts import parts_of
from jobs.spec import Job
from runner.data import open_job_panel
from runner.launch import read_spec
from runner.predict import Best
from runner.recurring.contest import Contest, hold_contest, loss_of
from tests.jobs.small import job as small_job
from tests.runner.recurring.published import JOB, job_of, regressor_sweep, sample, train_sweep
from tests.s3 import uri


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("contest") / "data")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(str(tmp_path_factory.mktemp("sweeps")))


@pytest.fixture(scope="module")
def job(data: Path) -> Job:
    return job_of(data)


@pytest.fixture(scope="module")
def panel(job: Job) -> Panel:
    return open_job_panel(job)


@pytest.fixture(scope="module")
def weak(place: Storage, job: Job) -> SweepFolder:
    return train_sweep(place, "weak", job, epochs=1)


@pytest.fixture(scope="module")
def good(place: Storage, job: Job) -> SweepFolder:
    return train_sweep(place, "good", job, epochs=25)


@pytest.fixture(scope="module")
def untrained(place: Storage, job: Job) -> SweepFolder:
    return train_sweep(place, "untrained", job, epochs=0)


def copied(folder: SweepFolder, storage: Storage) -> SweepFolder:
    """The same sweep somewhere else, to be spoilt."""
    other = storage.sweep(folder.name)
    for path in folder.tree(""):
        other.write(path, folder.read(path))
    return other


def held(challenger: SweepFolder, champion: SweepFolder | None, panel: Panel, **changes: float) -> Contest:
    job = read_spec(challenger)
    job = job.model_copy(update={"promote": job.promote.model_copy(update=changes)})
    found = hold_contest(job, panel, challenger, champion)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["promoted"] == found.promoted
    return found


def test_a_better_challenger_is_promoted_and_the_reason_has_the_figures(
    good: SweepFolder, weak: SweepFolder, panel: Panel
) -> None:
    found = held(good, weak, panel)

    assert found.promoted
    assert list(found.scores) == ["challenger", "champion", "seasonal_naive"]
    ours, theirs = found.scores["challenger"]["mse"], found.scores["champion"]["mse"]
    assert ours is not None
    assert theirs is not None
    assert found.improvement == pytest.approx(1 - ours / theirs)
    assert found.confidence is not None
    assert found.confidence >= 0.95
    assert (found.metric, found.windows, found.series) == ("mse", 3 * (80 - 3), 3)
    assert found.reason == (
        f"mse {ours:.4g} against the champion's {theirs:.4g}, {100 * (1 - ours / theirs):.3g} % below; "
        f"{100 * found.confidence:.3g} % of 2,000 block bootstraps are below by more than the margin of 1 %, "
        "and 95 % are asked for"
    )
    assert found.in_service() == {
        "model": found.scores["challenger"],
        "seasonal_naive": found.scores["seasonal_naive"],
    }


def test_the_scores_are_those_of_the_test_part(good: SweepFolder, weak: SweepFolder, panel: Panel) -> None:
    """What a sweep publishes of its best, the baseline included."""
    found, job = held(good, weak, panel), read_spec(good)

    for name, folder in (("challenger", good), ("champion", weak)):
        model = Best.read(folder, job).serve(panel).model
        window = resolve(job, {}).window
        alone = score_test(model, panel, parts_of(job, panel), window, panel.season())
        assert alone is not None
        assert found.scores[name] == pytest.approx(alone["model"], rel=1e-6)
        assert found.scores["seasonal_naive"] == pytest.approx(alone["seasonal_naive"], rel=1e-6)


def test_a_worse_one_and_the_same_one_are_kept_out(
    good: SweepFolder, weak: SweepFolder, panel: Panel
) -> None:
    worse, same = held(weak, good, panel), held(good, good, panel)

    assert not worse.promoted
    assert "% above, and not below by more than the margin of 1 %" in worse.reason
    assert not same.promoted
    assert same.improvement == 0
    assert "0 % below, and not below by more than the margin of 1 %" in same.reason


def test_the_margin_is_the_job_s(good: SweepFolder, weak: SweepFolder, panel: Panel) -> None:
    found = held(good, weak, panel, margin=0.999)

    assert not found.promoted
    assert "not below by more than the margin of 99.9 %" in found.reason


def test_what_may_be_chance_is_kept(good: SweepFolder, panel: Panel, place: Storage, job: Job) -> None:
    """The same network with other seeds: neither is to take the other's place for long."""
    twins = [train_sweep(place, f"twin-{seed}", job, epochs=25, seed=seed) for seed in (1, 2)]
    found = [held(twin, good, panel, margin=0.0, confidence=0.999) for twin in twins]
    found += [held(good, twin, panel, margin=0.0, confidence=0.999) for twin in twins]

    assert not all(each.promoted for each in found)
    for each in found:
        assert each.confidence is not None
        assert each.promoted == (each.confidence >= 0.999)


def test_of_too_few_windows_nothing_is_said(good: SweepFolder, weak: SweepFolder, data: Path) -> None:
    """Two series of which the last six steps are tested have three windows each, in one block of time."""
    job = job_of(data, "data.split.test=6", "data.split.validation=60")
    few = replace_panel(open_job_panel(job), series=2)
    copy = copied(good, Storage.open(str(data.parent / "few")))
    copy.begin(_spec(job))

    found = hold_contest(job, few, copy, weak)

    assert (found.windows, found.series, found.promoted, found.confidence) == (6, 2, False, None)
    assert found.reason.endswith("% below; 2 blocks of windows cannot tell that from chance")


def replace_panel(panel: Panel, series: int) -> Panel:
    """The first series of it."""
    end = int(panel.offsets[series])
    return replace(
        panel,
        rows=np.array(panel.rows[:end]),
        times=np.array(panel.times[:end]),
        offsets=panel.offsets[: series + 1],
        series=panel.series[:series],
        folder=None,
    )


def _spec(job: Job) -> bytes:
    from jobs.jobfile import dump_job

    return dump_job(job).encode()


def test_without_a_champion_the_seasonal_naive_forecast_is_to_be_beaten(
    good: SweepFolder, untrained: SweepFolder, panel: Panel
) -> None:
    better, worse = held(good, None, panel), held(untrained, None, panel)

    assert better.promoted
    assert better.reason.startswith("the first champion: mse ")
    assert "is below the seasonal naive forecast's" in better.reason
    assert not worse.promoted
    assert worse.reason.startswith("no champion yet: mse ")
    assert "is not below the seasonal naive forecast's" in worse.reason
    assert (better.improvement, better.confidence) == (None, None)


def test_models_of_other_kinds_are_compared_on_the_same_windows(
    good: SweepFolder, place: Storage, data: Path, panel: Panel
) -> None:
    """One that looks back further, one whose series have scalers of their own, and a regressor."""
    longer = job_of(data, "window.lookback=100")
    others = [
        train_sweep(place, "longer", longer, epochs=1),
        train_sweep(place, "own", job_of(data, "window.scale_by=series", "model.cell=lstm"), epochs=3),
        train_sweep(place, "instance", job_of(data, "window.scale=instance"), epochs=3),
        regressor_sweep(place, "ridge", data),
    ]
    for other in others:
        for pair in ((good, other), (other, good)):
            found = held(*pair, panel)
            assert found.windows == 3 * (80 - 3)
            assert list(found.scores) == ["challenger", "champion", "seasonal_naive"]
            assert "against the champion's" in found.reason


@pytest.mark.parametrize(
    ("overrides", "said", "way_out"),
    [
        (
            ["window.horizon=3"],
            "its horizon is 3, the job's 4",
            "its readers count on that: add another sched",
        ),
        (
            ["data.past=[]"],
            "its inputs are target, the job's target, driver",
            "to replace it type: recur promote NAME --sweep good",
        ),
        (
            ["data.target=driver", "data.past=[target]"],
            "its target is driver, the job's target",
            "add another",
        ),
        (
            ["data.past=[]", "data.future=[driver]"],
            "its columns known ahead are driver, the job's none",
            "recur promote NAME --sweep good",
        ),
    ],
)
def test_a_champion_of_another_shape_stays(  # noqa: PLR0917 - fixtures
    overrides: list[str],
    said: str,
    way_out: str,
    good: SweepFolder,
    panel: Panel,
    data: Path,
    tmp_path: Path,
) -> None:
    other = train_sweep(Storage.open(str(tmp_path)), "other", job_of(data, *overrides), epochs=0)

    found = held(good, other, panel)

    assert not found.promoted
    assert list(found.scores) == ["challenger", "seasonal_naive"]
    assert found.reason.startswith(f"the champion, sweep other, cannot be compared: {said}")
    assert way_out in found.reason


def test_a_champion_of_another_frequency_stays(good: SweepFolder, weak: SweepFolder, panel: Panel) -> None:
    copy = copied(weak, Storage.open(f"{weak.storage.uri}-daily"))
    signature = copy.read_json("best/signature.json") | {"frequency": "1D"}
    _replace_best(copy, "signature.json", json.dumps(signature).encode())

    found = held(good, copy, panel)

    assert "its frequency is 1D, the job's 1h; its readers count on that" in found.reason
    assert not found.promoted


def _replace_best(folder: SweepFolder, file: str, data: bytes) -> None:
    from runner.publish import _identity

    folder.write(f"best/{file}", data)
    manifest = folder.read_json("best/manifest.json")
    manifest["files"][file] = _identity(data)
    folder.write_json("best/manifest.json", manifest)


@pytest.mark.parametrize(
    "file", ["best/model.keras", "best/manifest.json", "spec.yaml", "best/signature.json"]
)
@pytest.mark.parametrize("content", [None, b"spoilt"])
def test_a_champion_that_is_damaged_or_gone_is_judged_as_none(
    file: str, content: bytes | None, good: SweepFolder, weak: SweepFolder, panel: Panel, tmp_path: Path
) -> None:
    copy = copied(weak, Storage.open(str(tmp_path)))
    copy.delete(file)
    if content is not None:
        copy.write(file, content)

    found = held(good, copy, panel)

    assert found.promoted
    assert "is below the seasonal naive forecast's" in found.reason
    assert "; the champion, sweep weak, cannot be read (" in found.reason


def test_a_storage_that_is_away_is_no_lost_champion(
    good: SweepFolder, weak: SweepFolder, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = SweepFolder.read

    def away(folder: SweepFolder, relative: str, *limit: int) -> bytes:
        if folder.name == "weak":
            raise StorageAwayError("no route to host")
        return read(folder, relative, *limit)

    monkeypatch.setattr(SweepFolder, "read", away)
    with pytest.raises(StorageAwayError):
        held(good, weak, panel)


def test_a_challenger_that_is_not_whole_is_an_error(good: SweepFolder, panel: Panel, tmp_path: Path) -> None:
    copy = copied(good, Storage.open(str(tmp_path)))
    copy.write("best/model.keras", b"spoilt")

    with pytest.raises(ClusterError, match="is not the file that was published"):
        held(copy, None, panel)


def test_a_challenger_of_other_data_is_an_error(good: SweepFolder, panel: Panel) -> None:
    with pytest.raises(
        JobError, match=r"^sweep good is not of this job and its data: its inputs are target, "
    ):
        held(good, None, replace(panel, columns=("target", "wind")))


def test_without_a_test_part_nothing_is_decided(good: SweepFolder, data: Path, tmp_path: Path) -> None:
    job = job_of(data, "data.split.test=0")
    copy = copied(good, Storage.open(str(tmp_path)))
    copy.begin(_spec(job))

    found = hold_contest(job, open_job_panel(job), copy, None)

    assert (found.promoted, found.windows, found.scores) == (False, 0, {})
    assert found.reason.startswith("there is no test window (data.split.test)")


def test_forecasts_that_are_no_numbers_never_win(good: SweepFolder, panel: Panel, tmp_path: Path) -> None:
    import keras

    from jobs.checkpoint import model_bytes

    values = keras.Input((12, 2))
    broken = keras.Model(values, keras.ops.log(values[:, -4:, :1] * 0 - 1))
    copy = copied(good, Storage.open(str(tmp_path)))
    _replace_best(copy, "model.keras", model_bytes(broken))

    loser, winner = held(copy, good, panel), held(good, copy, panel)

    assert not loser.promoted
    assert loser.scores["challenger"]["mse"] is None
    assert loser.reason.endswith("the challenger's forecasts are no numbers")
    assert not held(copy, None, panel).promoted
    assert winner.promoted
    assert winner.reason.endswith("; the champion's forecasts are no numbers")


@pytest.mark.parametrize(
    ("overrides", "loss"),
    [
        ([], Loss("mse")),
        (["search.objective=val_mae"], Loss("mae")),
        (["train.loss=huber"], Loss("huber")),
        (["train.loss=mae"], Loss("mae")),
        (["train.loss=quantile", "train.quantile=0.9"], Loss("pinball", 0.9)),
        (["train.loss=huber", "search.objective=val_mse"], Loss("mse")),
    ],
)
def test_it_is_decided_by_what_the_sweep_minimised(overrides: list[str], loss: Loss) -> None:
    found = loss_of(small_job(*overrides))

    assert found.name == loss.name
    if loss.name == "pinball":
        assert found == loss


@pytest.mark.parametrize(
    ("compiled", "name"), [("mae", "mae"), ("huber", "huber"), ("mine", "mse"), (None, "mse")]
)
def test_a_user_s_own_loss_counts_where_it_is_known(data: Path, compiled: str | None, name: str) -> None:
    said = f"{{optimizer: adam, learning_rate: 0.1, loss: {compiled or 'null'}}}"
    found = f"{{build: 'mine:f', found: {{kind: keras, asks: [], compiled: {said}}}}}"
    job = job_of(data, text=JOB.replace("{cell: gru, layers: 1, units: 8}", found))

    assert loss_of(job).name == name


def test_it_is_all_the_same_on_s3(server: int, good: SweepFolder, weak: SweepFolder, panel: Panel) -> None:
    storage = Storage.open(uri(server, "contest"))

    found = held(copied(good, storage), copied(weak, storage), panel)

    assert found == held(good, weak, panel)
