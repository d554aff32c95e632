"""A schedule for cron and systemd: as it was, as their own readers take it, and due when it should be."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import HealthCheck, given, reject, seed, settings
from hypothesis import strategies as st

from cluster.calendar import Calendar
from cluster.errors import ClusterError
from cluster.rendering.cronfields import CronFields, moved
from cluster.rendering.crontab import crontab
from cluster.rendering.scheduled import Rendered, Scheduled
from cluster.rendering.systemd import exec_line, on_calendar, units

GOLDEN = Path(__file__).with_name("golden")
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
RECUR = ("/usr/bin/recur",)
AWKWARD = "s3://bucket/a b?x=1&endpoint_override=%41;$HOME`id`'\"\\"


def scheduled(
    cron: str = "30 2 1 * sun", zone: str = "Europe/Berlin", storage: str = "s3://bucket/sweeps?region=eu"
) -> Scheduled:
    return Scheduled("nightly", Calendar.parse(cron, zone), storage, RECUR)


def compare(rendered: Rendered, golden: Mapping[str, str]) -> None:
    """Each file with its golden one."""
    for file, text in rendered.files.items():
        path = GOLDEN / golden[file]
        if os.environ.get("WRITE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text()


def test_a_crontab_is_as_it_was() -> None:
    compare(crontab(scheduled(), "UTC"), {"recur-nightly.cron": "schedule.cron"})


@pytest.mark.parametrize("user", [None, "tuner"])
def test_units_are_as_they_were(user: str | None) -> None:
    kind = "system" if user else "user"
    names = {f"recur-nightly.{end}": f"schedule-{kind}.{end}" for end in ("service", "timer")}
    compare(units(scheduled(), NOW, user), names)


def test_a_zone_is_said_where_it_is_not_the_machines() -> None:
    (line,) = crontab(scheduled(), "Europe/Berlin").files.values()
    assert "CRON_TZ" not in line
    (line,) = crontab(scheduled(), None).files.values()
    assert "\nCRON_TZ=Europe/Berlin\n" in line
    notes = crontab(scheduled(), "UTC").notes
    assert any("Debian's and Ubuntu's cron does not heed CRON_TZ" in note for note in notes)


@pytest.mark.parametrize(
    ("cron", "fields"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("*/15 9-17/2 1,15 jan-mar Mon", "*/15 9,11,13,15,17 1,15 1-3 1"),
        ("5/20 2 */2 * 1", "5,25,45 2 */2 * 1"),
        ("0 2 *,5 * 7", "0 2 *,5 * 7"),
    ],
)
def test_a_crontab_has_numbers_and_keeps_stars(cron: str, fields: str) -> None:
    (text,) = crontab(scheduled(cron), "Europe/Berlin").files.values()
    assert text.splitlines()[-1].startswith(f"{fields} /usr/bin/recur schedule run nightly ")


@pytest.mark.parametrize("cron", ["0 2 L * *", "0 2 LW * *", "0 2 * * 5L", "0 2 * * mon#2", "0 2 1,L * *"])
def test_what_cron_has_no_words_for_is_refused(cron: str) -> None:
    with pytest.raises(
        ClusterError, match=r"^cron: '.*' has L, LW or #, which cron does not know; write plain"
    ):
        crontab(scheduled(cron), None)


def test_a_command_that_cron_would_cut_is_refused() -> None:
    with pytest.raises(
        ClusterError, match=r"^schedule nightly: its command has \d+ characters, of which cron"
    ):
        crontab(scheduled(storage=f"s3://bucket/{'x' * 1000}"), None)


@pytest.mark.parametrize("storage", ["s3://bucket/sweeps", "/srv/a b", AWKWARD])
def test_cron_and_its_shell_hand_the_command_over_as_it_is(tmp_path: Path, storage: str) -> None:
    """By what cron itself does to a line, and the real shell."""
    told = tmp_path / "it's 50%"
    told.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    told.chmod(0o700)
    given = Scheduled("nightly", Calendar.parse("0 2 * * *", "UTC"), storage, (str(told),))
    (text,) = crontab(given, "UTC").files.values()

    line = text.splitlines()[-1].removeprefix("0 2 * * * ")
    assert not re.search(r"(?<!\\)%", line)  # which would be the end of the line to cron
    command = line.replace(r"\%", "%")
    subprocess.run(["/bin/sh", "-c", command], env={"HOME": str(tmp_path)}, check=True)
    words = (tmp_path / "recur-nightly.log").read_text().split("\0")[:-1]
    assert words == ["schedule", "run", "nightly", "--scheduled", "--storage", storage]


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("systemd-analyze") or "systemd-analyze", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TZ": "UTC", "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", gettempdir())},
    )


def due(lines: Sequence[str], base: dt.datetime, count: int) -> list[dt.datetime]:
    """The next times by systemd itself."""
    after = f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC"
    said = analyze("calendar", after, f"--iterations={count}", *lines)
    assert said.returncode == 0, said.stderr
    times = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC", said.stdout)
    return sorted({dt.datetime.fromisoformat(f"{time}+00:00") for time in times})[:count]


@pytest.mark.parametrize("user", [None, "root"])
@pytest.mark.parametrize("storage", ["s3://bucket/sweeps?region=eu", AWKWARD])
def test_units_are_ones_that_systemd_takes(tmp_path: Path, user: str | None, storage: str) -> None:
    program = tmp_path / "re cur"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    given = Scheduled("nightly", Calendar.parse("0 2 1 * 1", "Europe/Berlin"), storage, (str(program),))
    rendered = units(given, NOW, user)
    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text)

    manager = [] if user else ["--user"]
    said = analyze("verify", *manager, "--man=no", *(str(tmp_path / file) for file in rendered.files))
    assert (said.returncode, _about_ours(said.stderr)) == (0, [])


def _about_ours(said: str) -> list[str]:
    return [line for line in said.splitlines() if "recur-nightly" in line]


def test_systemd_is_quoted_for() -> None:
    assert exec_line(["/usr/bin/recur", "a=b", 'x "y" \\z', "100%", "$HOME"]) == (
        '/usr/bin/recur a=b "x \\"y\\" \\\\z" "100%%" "$$HOME"'
    )


def test_missed_times_are_caught_up_with_as_the_job_says() -> None:
    for catches_up, said in ((True, "Persistent=yes"), (False, "Persistent=no")):
        given = Scheduled("a", Calendar.parse("@daily", "UTC"), "s3://b", RECUR, catches_up)
        assert said in units(given, NOW).files["recur-a.timer"].splitlines()


def test_that_a_schedule_is_paused_is_said() -> None:
    given = Scheduled("a", Calendar.parse("@daily", "UTC"), "s3://b", RECUR, paused=True)
    for rendered in (units(given, NOW), crontab(given, "UTC")):
        assert "the schedule is paused; until recur schedule resume a nothing is run" in rendered.notes


@pytest.mark.parametrize(
    ("cron", "lines"),
    [
        ("0 2 * * *", ["*-*-* 02:00:00 UTC"]),
        ("*/30 9-17 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 09..17:00,30:00 UTC"]),
        ("0 2 13 * 5", ["*-*-13 02:00:00 UTC", "Fri *-*-* 02:00:00 UTC"]),
        ("0 2 */10 * 7", ["Sun *-*-01,11,21,31 02:00:00 UTC"]),
        ("0 2 L 2 *", ["*-02~01 02:00:00 UTC"]),
        ("0 2 LW * *", ["Mon,Tue,Wed,Thu *-*~01 02:00:00 UTC", "Fri *-*~03/1 02:00:00 UTC"]),
        ("0 2 * * 5L", ["Fri *-*~07/1 02:00:00 UTC"]),
        ("0 2 * * 1#2", ["Mon *-*-08..14 02:00:00 UTC"]),
    ],
)
def test_cron_in_systemds_words(cron: str, lines: list[str]) -> None:
    assert on_calendar(scheduled(cron, "UTC")) == lines


def test_what_systemd_has_no_words_for_is_refused() -> None:
    with pytest.raises(
        ClusterError, match=r"^cron: '0 2 L \* \*/2,1#2' counts days from the month's end and"
    ):
        on_calendar(scheduled("0 2 L * */2,1#2"))


def _field(low: int, high: int, *names: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, max(2, high // 2))
    term = st.one_of(
        number.map(str),
        pair.map(lambda each: f"{each[0]}-{each[1]}"),
        st.tuples(pair, step).map(lambda each: f"{each[0][0]}-{each[0][1]}/{each[1]}"),
        st.tuples(number, step).map(lambda each: f"{each[0]}/{each[1]}"),
        step.map(lambda each: f"*/{each}"),
        st.sampled_from(["*", *names]),
    )
    return st.one_of(st.just("*"), st.lists(term, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(
    _field(0, 59),
    _field(0, 23),
    _field(1, 31, "L", "LW"),
    _field(1, 12, "jan", "DEC"),
    _field(0, 7, "mon", "SUN", "5L", "tue#2", "0#5"),
).map(" ".join)
MOMENTS = st.integers(0, 10 * 365 * 24 * 60).map(lambda each: NOW + dt.timedelta(minutes=each))


@pytest.mark.slow
@seed(7)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cron=EXPRESSIONS, moment=MOMENTS)
def test_systemd_finds_the_times_that_the_calendar_finds(cron: str, moment: dt.datetime) -> None:
    try:
        calendar = Calendar.parse(cron, "UTC")
        lines = on_calendar(Scheduled("a", calendar, "/x"))
    except ClusterError:
        reject()
    assert due(lines, moment, 5) == calendar.next(moment, 5)


@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "15,45 1-4 * * *", "0 2 * * 0", "30 * * * *", "*/20 * * * *", "0 */2 * * *"]
)
@pytest.mark.parametrize(
    ("zone", "night"), [("Europe/Berlin", "2026-03-28"), ("America/New_York", "2027-03-13")]
)
def test_when_clocks_go_on_nothing_is_passed_over(cron: str, zone: str, night: str) -> None:
    """Of what systemd would leave out, the time in its stead is written out."""
    given = scheduled(cron, zone)
    timer = units(given, NOW).files["recur-nightly.timer"]
    lines = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    moment = dt.datetime.fromisoformat(f"{night}T20:00:00+00:00")
    assert due(lines, moment, 8) == given.calendar.next(moment, 8)


def test_no_time_is_moved_where_no_hour_is_left_out() -> None:
    assert moved(Calendar.parse("30 2 * * *", "UTC"), NOW) == []
    assert moved(Calendar.parse("30 4 * * *", "Europe/Berlin"), NOW) == []
    assert moved(Calendar.parse("30 * * * *", "Europe/Berlin"), NOW) == []
    found = moved(Calendar.parse("30 2 * * *", "Europe/Berlin"), NOW)
    assert len(found) == 10
    assert found[0] == dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)


def test_a_star_decides_whether_one_kind_of_day_is_enough() -> None:
    assert CronFields.of(Calendar.parse("0 0 */2 * 1", "UTC")).both
    assert not CronFields.of(Calendar.parse("0 0 1-31 * 1", "UTC")).both
